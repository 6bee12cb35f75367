from __future__ import annotations

import csv
import io
import json

from fastapi.testclient import TestClient
from sqlalchemy import text

from shared.store import audit
from shared.store.engine import writing
from tests.gateway.driving import both_databases

AUDIT = "/api/v1/audit"


def write(*subjects: str, actor: str = "token", action: str = "queue.pause", **said: str) -> None:
    with writing() as connection:
        for subject in subjects:
            audit.add(connection, "local", actor, action, subject, **said)


@both_databases
def test_entries_are_found_by_what_was_done_by_whom_to_what_and_when(client: TestClient) -> None:
    write("queue:a", "queue:b")
    write("job:1", actor="user:ann@example.org", action="job.cancel", address="192.0.2.7", reason="late")
    found = client.get(AUDIT).json()["items"]
    assert [each["subject"] for each in found] == ["job:1", "queue:b", "queue:a"]
    assert (found[0]["address"], found[0]["reason"]) == ("192.0.2.7", "late")
    for asked, expected in (
        ({"action": "queue"}, ["queue:b", "queue:a"]),
        ({"actor": "user:ann@example.org"}, ["job:1"]),
        ({"subject": "queue:a"}, ["queue:a"]),
        ({"subject": "queue"}, ["queue:b", "queue:a"]),
        ({"since": found[0]["at"]}, ["job:1"]),
        ({"until": found[1]["at"]}, ["queue:a"]),
    ):
        assert [each["subject"] for each in client.get(AUDIT, params=asked).json()["items"]] == expected, asked
    first = client.get(AUDIT, params={"limit": 2}).json()
    rest = client.get(AUDIT, params={"limit": 2, "cursor": first["next"]}).json()
    assert ([each["seq"] for each in rest["items"]], rest["next"]) == ([1], None)
    for wrong in ({"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"who": "me"}, {"limit": 0}):
        assert client.get(AUDIT, params=wrong).status_code == 422, wrong


@both_databases
def test_a_line_that_was_changed_in_the_database_is_named(client: TestClient) -> None:
    write("queue:a", "queue:b")
    right = client.get(f"{AUDIT}/verify").json()
    assert (right["ok"], right["checked"], right["next"]) == (True, 2, None)
    with writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_refuses_update"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE audit SET actor = 'user:bob@example.org' WHERE seq = 2"))
    wrong = client.get(f"{AUDIT}/verify").json()
    assert (wrong["ok"], wrong["flaw"], wrong["seq"], wrong["hash"]) == (False, "changed", 2, _hash(client, 1))
    assert client.get(f"{AUDIT}/verify", params={"known": right["hash"]}).json()["ok"] is False


def _hash(client: TestClient, seq: int) -> str:
    return str(next(each["hash"] for each in client.get(AUDIT).json()["items"] if each["seq"] == seq))


def test_an_export_has_every_line_and_runs_in_no_spreadsheet(client: TestClient) -> None:
    write(*(f"queue:{number}" for number in range(600)))
    write("=HYPERLINK(1)", reason=" +1\r\n=2", note="@x")
    answer = client.get(f"{AUDIT}/export")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 602))
    assert answer.headers["content-type"] == "application/jsonl"
    assert 'filename="audit.jsonl"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(client.get(f"{AUDIT}/export", params={"format": "csv"}).text)))
    assert len(rows) == 601
    assert (rows[-1]["subject"], rows[-1]["reason"]) == ("'=HYPERLINK(1)", "' +1\r\n'=2")
    assert json.loads(rows[-1]["detail"]) == {"note": "@x"}
    assert len(client.get(f"{AUDIT}/export", params={"subject": "queue:7"}).text.splitlines()) == 1
    assert client.get(f"{AUDIT}/export", params={"format": "xlsx"}).status_code == 422
