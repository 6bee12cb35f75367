"""Dead letters over HTTP, on rows as the ingester leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gateway import letters
from tests.gateway.driving import RAW, both_databases

DLQ = "/api/v1/dlq"


@both_databases
def test_dead_letters_are_listed_last_failed_first_in_pages(client: TestClient, bury: Callable[..., str]) -> None:
    made = [bury() for _ in range(3)]
    first = client.get(f"{DLQ}?limit=2").json()
    assert [one["id"] for one in first["items"]] == made[:0:-1]
    rest = client.get(DLQ, params={"cursor": first["next"]}).json()
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (made[:1], None)
    assert first["items"][0]["error"]["code"] == "host-unreachable"


@both_databases
def test_they_are_filtered_by_what_they_are(client: TestClient, bury: Callable[..., str]) -> None:
    wanted = bury(failure_class="resource", stage="report", fingerprint="bbbb", state="snoozed", target="10.0.0.7")
    bury()
    bury(org_id="another", failure_class="resource")
    for query in ("class=resource", "stage=report", "group=bbbb", "state=snoozed", "q=target:10.0.0.0/24"):
        assert [one["id"] for one in client.get(f"{DLQ}?{query}").json()["items"]] == [wanted], query


def test_a_wrong_query_is_422_and_says_where(client: TestClient) -> None:
    for path in (DLQ, f"{DLQ}/groups", f"{DLQ}/export"):
        answer = client.get(f"{path}?q=colour:red")
        assert (answer.status_code, answer.json()["code"]) == (422, "query-wrong"), path
        assert "character 1" in answer.json()["detail"]


@both_databases
def test_groups_and_numbers(client: TestClient, bury: Callable[..., str]) -> None:
    for fingerprint in ("aaaa", "bbbb", "bbbb"):
        bury(fingerprint=fingerprint)
    bury(fingerprint="aaaa", state="discarded")
    groups = client.get(f"{DLQ}/groups").json()["items"]
    assert [(one["fingerprint"], one["count"], one["open"]) for one in groups] == [("bbbb", 2, 2), ("aaaa", 2, 1)]
    stats = client.get(f"{DLQ}/stats").json()
    assert (stats["open"], stats["by_class"], stats["by_state"]["discarded"]) == (3, {"external": 3}, 1)


@both_databases
def test_one_is_found_by_a_piece_of_its_id_with_its_message(client: TestClient, bury: Callable[..., str]) -> None:
    made = bury()
    assert client.get(f"{DLQ}/{made[-8:]}").json()["id"] == made
    payload = client.get(f"{DLQ}/{made}/payload").json()
    assert (payload["text"], payload["size_bytes"], payload["is_cut"]) == (RAW.decode(), len(RAW), False)
    assert payload["message"]["headers"]["task"] == "scan.run"


def test_an_unknown_one_and_that_of_another_organisation_are_not_there(
    client: TestClient, bury: Callable[..., str]
) -> None:
    for piece in (bury(org_id="another"), "ffffffff"):
        for answer in (
            client.get(f"{DLQ}/{piece}"),
            client.get(f"{DLQ}/{piece}/payload"),
            client.post(f"{DLQ}/{piece}:replay"),
            client.post(f"{DLQ}/{piece}:snooze", json={"until": "2099-01-01T00:00:00Z"}),
            client.post(f"{DLQ}/{piece}:classify", json={"failure_class": "permanent"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "dead-letter-not-found")


@both_databases
def test_one_is_put_aside_and_classed_anew_and_both_are_written_down(
    client: TestClient, bury: Callable[..., str]
) -> None:
    made = bury()
    snoozed = client.post(f"{DLQ}/{made}:snooze", json={"until": "2099-01-01T00:00:00Z"}).json()
    assert (snoozed["state"], snoozed["snoozed_until"]) == ("snoozed", "2099-01-01T00:00:00Z")
    classed = client.post(f"{DLQ}/{made}:classify", json={"failure_class": "permanent"}).json()
    assert classed["failure_class"] == "permanent"
    lines = client.get("/api/v1/audit").json()["items"]
    assert [(line["action"], line["subject"]) for line in lines] == [
        ("dlq.classify", f"dead-letter:{made}"),
        ("dlq.snooze", f"dead-letter:{made}"),
    ]
    discarded = bury(state="discarded")
    answer = client.post(f"{DLQ}/{discarded}:snooze", json={"until": "2099-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong-state")


@both_databases
def test_an_export_has_all_that_match_one_per_line(
    client: TestClient, bury: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "EXPORT_PAGE", 2)
    made = [bury() for _ in range(5)]
    bury(state="discarded")
    answer = client.get(f"{DLQ}/export?state=open")
    assert answer.headers["content-type"] == "application/jsonl"
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == made[::-1]
    monkeypatch.setattr(letters, "EXPORT_LIMIT", 3)
    assert len(client.get(f"{DLQ}/export").text.splitlines()) == 3
    assert client.get(f"{DLQ}/export?state=resolved").text == ""


@both_databases
def test_a_bulk_replay_is_an_operation_over_what_there_is_now(client: TestClient, bury: Callable[..., str]) -> None:
    made = [bury() for _ in range(3)]
    body = {"selection": {"group": "aaaa"}, "canary": 1, "rate": 2.5, "stop_at": 0.2}
    answer = client.post(f"{DLQ}:replay", json=body)
    operation = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/v1/operations/{operation['id']}")
    assert (operation["kind"], operation["state"], operation["total"]) == ("dlq.replay", "pending", 3)
    assert operation["params"]["until"] == made[-1]
    assert {name: operation["params"][name] for name in ("canary", "rate", "stop_at")} == {
        "canary": 1,
        "rate": 2.5,
        "stop_at": 0.2,
    }
    [line] = client.get("/api/v1/audit?action=dlq.replay").json()["items"]
    assert (line["subject"], line["detail"]["total"]) == (f"operation:{operation['id']}", 3)


@both_databases
def test_a_discard_needs_the_right_count(client: TestClient, bury: Callable[..., str]) -> None:
    made = [bury() for _ in range(3)]
    for expect in ({}, {"expect": 2}):
        refused = client.post(f"{DLQ}:discard", json={"selection": {"all": True}, **expect})
        assert (refused.status_code, refused.json()["code"], refused.json()["count"]) == (409, "count-differs", 3)
    lines = client.get("/api/v1/audit?action=dlq.discard-refused").json()["items"]
    assert [line["detail"] for line in lines] == [{"count": 3, "expected": 2}, {"count": 3}]
    forecast = client.post(f"{DLQ}:discard", json={"selection": {"all": True}, "dry_run": True})
    assert (forecast.status_code, forecast.json()["total"], forecast.json()["ok"]) == (200, 3, 3)
    taken = client.post(f"{DLQ}:discard", json={"selection": {"all": True}, "expect": 3})
    assert (taken.status_code, taken.json()["total"]) == (202, 3)
    named = client.post(f"{DLQ}:discard", json={"selection": {"ids": [made[0][-8:], made[0]]}})
    assert (named.status_code, named.json()["params"]["selection"]["ids"]) == (202, made[:1])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"selection": {}}, "/selection"),
        ({"selection": {"all": True, "q": "state:open"}}, "/selection"),
        ({"selection": {"all": True}, "rate": -1}, "/rate"),
        ({"selection": {"all": True}, "rate": 1e9}, "/rate"),
        ({"selection": {"all": True}, "canary": -1}, "/canary"),
        ({"selection": {"all": True}, "canary": 100_000}, "/canary"),
        ({"selection": {"all": True}, "stop_at": 1.5}, "/stop_at"),
        ({"selection": {"all": True}, "stop_at": "NaN"}, "/stop_at"),
        ({"selection": {"ids": ["0" * 8] * 1001}}, "/selection/ids"),
        ({"selection": {"ids": ["ffffffff"]}}, "/selection/ids/0"),
        ({"selection": {"all": True}, "colour": "red"}, "/colour"),
        ({"selection": {"all": True}, "how": {"mode": "sideways"}}, "/how/mode"),
        ({"selection": {"q": "colour:red"}}, "/selection/q"),
        ({"selection": {"q": " "}}, "/selection/q"),
    ],
)
def test_what_is_wrong_with_bulk_work_is_named_at_the_door(
    client: TestClient, body: dict[str, Any], pointer: str
) -> None:
    answer = client.post(f"{DLQ}:replay", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_the_ends_of_the_calendar_are_refused(client: TestClient, bury: Callable[..., str], moment: str) -> None:
    assert client.post(f"{DLQ}/{bury()}:snooze", json={"until": moment}).status_code == 422
