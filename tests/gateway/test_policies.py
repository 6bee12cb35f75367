from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.errors import POLICIES, FailureClass
from tests.gateway.driving import both_databases

POLICY = "/api/v1/policies"


@both_databases
def test_a_policy_is_changed_and_reset(client: TestClient) -> None:
    found = client.get(POLICY).json()["items"]
    assert [one["failure_class"] for one in found] == list(FailureClass)
    assert all(one["is_default"] for one in found)
    to = {"retries": 7, "back_off": "linear", "base_s": 1.5, "cap_s": 9.0}
    for _ in range(2):
        changed = client.put(f"{POLICY}/external", json=to).json()
    assert {name: changed[name] for name in to} == to
    assert (changed["is_default"], changed["changed_by"]) == (False, "token")
    assert client.get(f"{POLICY}/external").json() == changed
    reset = client.delete(f"{POLICY}/external").json()
    assert (reset["retries"], reset["is_default"]) == (POLICIES[FailureClass.EXTERNAL].retries, True)
    lines = client.get("/api/v1/audit?action=policy").json()["items"]
    assert [line["action"] for line in lines] == ["policy.reset", "policy.change", "policy.change"]


@pytest.mark.parametrize(
    "to",
    [
        {"retries": -1, "back_off": "none"},
        {"retries": 101, "back_off": "none"},
        {"retries": 1, "back_off": "sometimes"},
        {"retries": 1, "back_off": "none", "cap_s": 1e9},
        {},
    ],
)
def test_a_policy_that_cannot_be_is_refused(client: TestClient, to: dict[str, Any]) -> None:
    assert client.put(f"{POLICY}/external", json=to).status_code == 422
    assert client.get(f"{POLICY}/odd").status_code == 422
