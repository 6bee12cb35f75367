from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.testclient import TestClient

from gateway.app import create_app
from gateway.auth import OPEN, OPEN_TO_POST
from shared.contracts.identity import Permission, Role, permitted
from tests.gateway.auth import people
from tests.gateway.driving import HOSTS, TOKEN

OPEN_TOO = {f"POST {path}" for path in OPEN_TO_POST}


def routes(app: FastAPI) -> Iterator[tuple[str, set[Permission]]]:
    """Every route, as `METHOD path`, with the permissions that it asks for."""
    pending: list[Any] = list(app.routes)
    while pending:
        one = pending.pop(0)
        if isinstance(one, APIRoute):
            for method in one.methods:
                yield f"{method} {one.path}", _asked(one.dependant)
        elif isinstance(one, APIWebSocketRoute):
            yield f"WS {one.path}", _asked(one.dependant)
        elif hasattr(one, "original_router"):
            pending += one.original_router.routes


def _asked(dependant: Any) -> set[Permission]:
    found = {dependant.call.permission} if hasattr(dependant.call, "permission") else set()
    return found.union(*(_asked(each) for each in dependant.dependencies)) if dependant.dependencies else found


def test_every_route_says_which_permission_it_needs() -> None:
    for name, asked in routes(create_app(TOKEN, HOSTS)):
        method, _, path = name.partition(" ")
        is_open = path in OPEN or name in OPEN_TOO or path == "/api/v1/openapi.json"
        assert is_open or method == "WS" or asked, f"{name} is closed to nobody"


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_the_table_says(client: TestClient, role: Role) -> None:
    mine = people.logged_in(client, "a@example.org", role=role)
    app: Any = client.app
    for name, asked in routes(app):
        method, _, path = name.partition(" ")
        if method in {"WS", "HEAD"} or not asked or path.endswith("/events"):
            continue
        filled = path.replace("{id}", "0000").replace("{class}", "temporary").replace("{name}", "nowhere")
        filled = filled.replace("{format}", "pdf")
        body: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {"unknown": 1}}
        if path == "/api/v1/auth/session":
            continue
        status = client.request(method, filled, headers=mine, **body).status_code
        may = asked <= permitted(role)
        assert (status != 403) if may else (status == 403), (name, role, status)


def test_nobody_gives_a_role_above_their_own(client: TestClient) -> None:
    people.user(client, "owner@example.org", role="owner")
    admin = people.logged_in(client, "admin@example.org", role="admin")
    user_id = people.user(client, "c@example.org")
    assert client.patch(f"/api/v1/members/{user_id}", json={"role": "owner"}, headers=admin).status_code == 403
    assert client.patch(f"/api/v1/members/{user_id}", json={"role": "admin"}, headers=admin).status_code == 200
    everybody = client.get("/api/v1/members", headers=admin).json()["items"]
    owner = next(each["user_id"] for each in everybody if each["role"] == "owner")
    assert client.patch(f"/api/v1/members/{owner}", json={"role": "viewer"}, headers=admin).status_code == 403
    assert client.delete(f"/api/v1/members/{owner}", headers=admin).status_code == 403


def test_an_organisation_keeps_an_owner(client: TestClient) -> None:
    people.org(client, "acme")
    owner = people.user(client, "a@example.org", org="acme", role="owner")
    mine = people.bearer(people.login(client, "a@example.org")["access_token"])
    for answer in (
        client.patch(f"/api/v1/members/{owner}", json={"role": "admin"}, headers=mine),
        client.delete(f"/api/v1/members/{owner}", headers=mine),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last-owner")


def test_an_owner_does_not_suspend_or_see_other_organisations(client: TestClient) -> None:
    people.org(client, "acme")
    mine = people.logged_in(client, "a@example.org", role="owner")
    assert client.patch("/api/v1/orgs/local", json={"suspended": True}, headers=mine).status_code == 403
    assert client.patch("/api/v1/orgs/local", json={"name": "Ours"}, headers=mine).status_code == 200
    assert client.patch("/api/v1/orgs/acme", json={"name": "Ours"}, headers=mine).status_code == 404
    assert client.get("/api/v1/orgs/acme", headers=mine).status_code == 404
    assert [each["id"] for each in client.get("/api/v1/orgs", headers=mine).json()["items"]] == ["local"]


def test_what_is_refused_is_written_down(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org")
    assert client.get("/api/v1/audit", headers=mine).status_code == 403
    (line,) = people.audited(client, "access.denied")
    assert (line["actor"], line["detail"]["permission"]) == ("user:a@example.org", "audit")


def test_refusals_do_not_fill_the_audit(client: TestClient) -> None:
    for _ in range(20):
        client.get("/api/v1/jobs", headers=people.bearer("wrong"))
    assert len(people.audited(client, "login.refused")) <= 5
