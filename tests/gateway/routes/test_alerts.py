"""Alerts are of the whole installation; who looks after one is told by name to those who may know them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from shared.alerting import Bound, Change, Reading
from shared.contracts.alert import AlertRule
from shared.contracts.identity import Role
from shared.store import alerts
from shared.store.alerts import Telling
from shared.store.engine import writing
from shared.store.identity import members, organisations, users
from tests.gateway import foreign
from tests.gateway.driving import both_databases
from tests.gateway.foreign import A, B

ALERTS = "/api/v1/alerts"


@pytest.fixture
def client_of(app: FastAPI) -> Callable[[str], TestClient]:
    def make(org_id: str) -> TestClient:
        return TestClient(app, base_url="http://127.0.0.1", headers=foreign.bearer(org_id))

    return make


@pytest.fixture
def acknowledge(store: None) -> Callable[[str], str]:
    """Return what acknowledges a new alert as somebody, and its id."""
    bounds = {rule: Bound(10, 5, 0, 0) for rule in AlertRule}

    def make(by: str) -> str:
        seen = Reading(AlertRule.QUEUE_TOO_OLD, by, 10, "It is too old.", "Add workers.")
        with writing() as connection:
            alerts.apply(connection, Change([seen]), bounds, Telling())
            return alerts.acknowledge(connection, alerts.firing(connection)[seen.key], by).id

    return make


def join(org_id: str, email: str) -> None:
    with writing() as connection:
        organisations.ensure(connection, org_id, org_id)
        user_id = users.create(connection, email, "x", "test", is_root=False)
        members.add(connection, org_id, user_id, Role.VIEWER, "test")


@both_databases
@pytest.mark.parametrize("actor", ["user:root@example.org", "user:nobody@example.org", "key:ops", "token"])
def test_who_looks_after_an_alert_is_an_operator_to_other_organisations(
    client: TestClient, client_of: Callable[[str], TestClient], acknowledge: Callable[[str], str], actor: str
) -> None:
    join(A, "root@example.org")
    alert_id = acknowledge(actor)
    for each, told in ((client, actor), (client_of(B), "operator")):
        assert each.get(f"{ALERTS}/{alert_id}").json()["acknowledged_by"] == told
        assert [one["acknowledged_by"] for one in each.get(ALERTS).json()["items"]] == [told]


def test_a_fellow_member_is_told_by_name(
    client_of: Callable[[str], TestClient], acknowledge: Callable[[str], str]
) -> None:
    join(B, "ann@example.org")
    alert_id = acknowledge("user:ann@example.org")
    assert client_of(B).get(f"{ALERTS}/{alert_id}").json()["acknowledged_by"] == "user:ann@example.org"


def test_of_an_alert_that_nobody_looks_after_nobody_is_told(client_of: Callable[[str], TestClient]) -> None:
    seen = Reading(AlertRule.QUEUE_TOO_OLD, "scan", 10, "It is too old.", "Add workers.")
    with writing() as connection:
        alerts.apply(connection, Change([seen]), {seen.rule: Bound(10, 5, 0, 0)}, Telling())
    assert client_of(B).get(ALERTS).json()["items"][0]["acknowledged_by"] == ""
