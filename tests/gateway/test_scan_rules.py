"""What an organisation may scan: rules hold at submission and in the dry run, and refusals are written down."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway.auth.caller import Caller, _caller
from shared.contracts.identity import Role, permitted
from shared.settings import settings
from tests.gateway.driving import both_databases

UNICODE = ("169。254。169。254", "１６９.254.169.254", "169.254.169.254．")
RULES, CHECK, JOBS = "/api/v1/scan-rules", "/api/v1/targets:check", "/api/v1/jobs"


@pytest.fixture
def mail_server(fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_SMTP_URL", "smtp://127.0.0.1:2525")


def rule(client: TestClient, effect: str, what: str, **more: Any) -> dict[str, Any]:
    made = client.post(RULES, json={"effect": effect, "what": what, **more})
    assert made.status_code == 201, made.text
    body: dict[str, Any] = made.json()
    return body


def submitted(client: TestClient, *hosts: str, **more: Any) -> tuple[int, dict[str, Any]]:
    targets = [{"kind": "host", "host": host, **more} for host in hosts]
    answer = client.post(JOBS, json={"targets": targets})
    return answer.status_code, answer.json()


def verdict(client: TestClient, host: str, **more: Any) -> dict[str, Any]:
    answer = client.post(CHECK, json={"targets": [{"kind": "host", "host": host, **more}]})
    assert answer.status_code == 200, answer.text
    [found] = answer.json()["items"]
    return dict(found)


def audited(client: TestClient, action: str) -> list[dict[str, Any]]:
    return list(client.get("/api/v1/audit", params={"action": action}).json()["items"])


@both_databases
def test_a_rule_is_made_listed_and_removed(client: TestClient) -> None:
    made = rule(client, "deny", " 10.0.0.7/8 ", reason="the factory")
    assert (made["what"], made["created_by"], made["reason"]) == ("10.0.0.0/8", "token", "the factory")
    assert client.get(RULES).json()["items"] == [made]
    assert client.delete(f"{RULES}/{made['id'][-8:]}").status_code == 204
    assert client.get(RULES).json()["items"] == []
    gone = client.delete(f"{RULES}/{made['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "scan-rule-not-found")
    assert [line["action"] for line in audited(client, "scan-rule")] == ["scan-rule.remove", "scan-rule.add"]


@both_databases
def test_what_is_denied_is_not_submitted_and_the_refusal_is_written_down(client: TestClient) -> None:
    denied = rule(client, "deny", "127.0.0.0/30", reason="ours")
    status, problem = submitted(client, "127.0.0.1", "127.0.0.2", "127.0.0.9")
    assert (status, problem["code"]) == (403, "target-refused")
    assert [error["pointer"] for error in problem["errors"]] == ["/targets/0", "/targets/1"]
    assert "the organisation's rule for 127.0.0.0/30 (ours)" in problem["detail"]
    [line] = audited(client, "target.refused")
    assert line["detail"]["rule"] == f"deny:{denied['id']}"
    assert (line["detail"]["count"], line["detail"]["refused"]) == (2, ["127.0.0.1", "127.0.0.2"])
    assert client.get(JOBS).json()["items"] == []


def test_an_allow_rule_narrows_and_a_grant_opens(client: TestClient, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_PRIVATE_TARGETS", "false")
    settings.cache_clear()
    assert submitted(client, "127.0.0.1")[1]["code"] == "target-refused"
    assert verdict(client, "127.0.0.1")["rule"] == "closed"
    rule(client, "grant", "127.0.0.1", expires_at="2199-01-01T00:00:00Z")
    assert submitted(client, "127.0.0.1")[0] == 202
    rule(client, "allow", "*.example.org")
    assert verdict(client, "127.0.0.1")["rule"] == "not-allowed"
    rule(client, "allow", "127.0.0.0/8")
    assert verdict(client, "127.0.0.1")["allowed"]
    assert verdict(client, "127.0.0.2")["rule"] == "closed"


def test_a_dry_run_judges_every_address_and_writes_nothing(mail_server: None, client: TestClient) -> None:
    found = verdict(client, "127.0.0.1", ports="8000,9")
    assert (found["target"], found["allowed"], found["rule"]) == ("127.0.0.1", True, "")
    assert found["addresses"][0]["not_scanned"] == [2525, 8000]
    metadata = verdict(client, "169.254.169.254")
    assert (metadata["allowed"], metadata["rule"], metadata["code"]) == (False, "never", "target-refused")
    assert metadata["cure"]
    assert verdict(client, "nothing.invalid")["code"] in {"target-unresolvable", "resolver-away"}
    assert verdict(client, "a b")["code"] == "invalid-input"
    assert [audited(client, each) for each in ("target", "scan-rule")] == [[], []]
    assert client.get(JOBS).json()["items"] == []


def test_a_dry_run_answers_for_every_host_of_a_network(client: TestClient) -> None:
    rule(client, "deny", "127.0.0.2")
    body = {"targets": [{"kind": "host", "host": "127.0.0.0/29"}, {"kind": "host", "host": "::1"}]}
    items = client.post(CHECK, json=body).json()["items"]
    assert [(each["target"], each["allowed"]) for each in items] == [
        *((f"127.0.0.{last}", last != 2) for last in range(1, 7)),
        ("::1", True),
    ]


@pytest.mark.parametrize("ports", ["2525", "8000", "2525,8000"])
def test_a_submission_of_nothing_but_own_services_is_refused(mail_server: None, client: TestClient, ports: str) -> None:
    status, problem = submitted(client, "127.0.0.1", ports=ports)
    assert (status, problem["code"]) == (403, "target-refused")
    assert audited(client, "target.refused")[0]["detail"]["rule"] == "own-service"
    assert submitted(client, "127.0.0.1", ports=f"{ports},9")[0] == 202


@pytest.mark.parametrize(
    "spelling", ["2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518", *UNICODE]
)
def test_no_spelling_of_a_metadata_service_is_let_through(client: TestClient, spelling: str) -> None:
    assert submitted(client, spelling)[0] in {403, 422}
    assert submitted(client, "[::ffff:169.254.169.254]")[0] == 403
    assert submitted(client, "fe80::1%1")[0] == 403


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"effect": "deny", "what": "not a thing"}, "/what"),
        ({"effect": "deny", "what": "*"}, "/what"),
        ({"effect": "grant", "what": "*.example.org"}, "/what"),
        ({"effect": "open", "what": "10.0.0.1"}, "/effect"),
        ({"effect": "deny", "what": "10.0.0.1", "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"effect": "deny", "what": "10.0.0.1", "expires_at": "2199-01-01T00:00:00"}, "/expires_at"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(client: TestClient, body: dict[str, Any], pointer: str) -> None:
    answer = client.post(RULES, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_grant_is_the_operators_to_make(client: TestClient, app: FastAPI) -> None:
    owner = Caller(actor="user:ann@example.org", permissions=permitted(Role.OWNER))
    app.dependency_overrides[_caller] = lambda: owner
    assert client.post(RULES, json={"effect": "grant", "what": "10.0.0.0/8"}).status_code == 403
    app.dependency_overrides.clear()
    assert audited(client, "access.denied")[0]["detail"]["asked"] == "grant 10.0.0.0/8"
    app.dependency_overrides[_caller] = lambda: owner
    assert client.post(RULES, json={"effect": "deny", "what": "10.0.0.0/8"}).status_code == 201


def test_whoever_may_not_change_the_policy_sees_it(client: TestClient, app: FastAPI) -> None:
    made = rule(client, "deny", "10.0.0.0/8")
    viewer = Caller(actor="user:bob@example.org", permissions=permitted(Role.VIEWER))
    app.dependency_overrides[_caller] = lambda: viewer
    assert client.get(RULES).json()["items"] == [made]
    assert client.post(RULES, json={"effect": "deny", "what": "10.0.0.1"}).status_code == 403
    assert client.delete(f"{RULES}/{made['id']}").status_code == 403
    assert client.post(CHECK, json={"targets": [{"kind": "host", "host": "127.0.0.1"}]}).status_code == 403
