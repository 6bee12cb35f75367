from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.gateway.driving import both_databases

RULES = "/api/v1/dlq/rules"
NEW = {"stage": "scan", "code": "host-unreachable", "failure_class": "permanent"}


@both_databases
def test_a_rule_is_tested_made_listed_and_removed(client: TestClient, bury: Callable[..., str]) -> None:
    letter = bury()
    bury(stage="report")
    tested = client.post(f"{RULES}:test", json=NEW).json()
    assert (tested["matches"], tested["samples"]) == (1, [letter])
    assert client.get(RULES).json()["items"] == []
    made = client.post(RULES, json=NEW)
    assert (made.status_code, made.json()["created_by"]) == (201, "token")
    assert client.get(RULES).json()["items"] == [made.json()]
    assert client.delete(f"{RULES}/{made.json()['id'][-8:]}").status_code == 204
    assert client.get(RULES).json()["items"] == []
    gone = client.delete(f"{RULES}/{made.json()['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "rule-not-found")
    lines = client.get("/api/v1/audit?action=dlq.rule").json()["items"]
    assert [line["action"] for line in lines] == ["dlq.rule.remove", "dlq.rule.add"]


@both_databases
def test_a_reclassification_may_teach_a_rule(client: TestClient, bury: Callable[..., str]) -> None:
    letter = bury()
    body = {"failure_class": "permanent", "learn": True}
    assert client.post(f"/api/v1/dlq/{letter}:classify", json=body).json()["failure_class"] == "permanent"
    [rule] = client.get(RULES).json()["items"]
    assert (rule["fingerprint"], rule["learned_from"]) == ("aaaa", letter)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"failure_class": "permanent"}, ""),
        ({"code": "x"}, "/failure_class"),
        ({"code": "x", "failure_class": "odd"}, "/failure_class"),
        ({"code": "x" * 65, "failure_class": "permanent"}, "/code"),
        ({"code": "x", "failure_class": "permanent", "colour": 1}, "/colour"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(client: TestClient, body: dict[str, Any], pointer: str) -> None:
    for path in (RULES, f"{RULES}:test"):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
