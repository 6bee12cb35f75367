"""A database that is away: every route says so and when to come back, and what was asked then is done once later."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway.broker import publish
from shared.ids import new_id, now
from shared.settings import settings
from shared.store import engine, outbox
from shared.store.engine import reading
from tests.gateway.driving import both_databases
from tests.gateway.foreign import Foreign
from tests.gateway.test_isolation import BODIES, NAMES, routes

NOBODY = "postgresql://nobody@127.0.0.1:9/none"
JOB = {"target": {"kind": "host", "host": "127.0.0.1"}, "reports": []}

# What is answered without the database: the broker's own, tokens that are only signed, and what asks for nothing.
WITHOUT = {
    "GET /api/v1/openapi.json": 200,
    "POST /api/v1/auth/session": 403,  # no browser
    "DELETE /api/v1/auth/session": 204,
    "POST /api/v1/auth/logout": 204,
    "POST /api/v1/auth/switch": 403,  # the token is no user
    "POST /api/v1/auth/ticket": 201,
    "GET /api/v1/queues": 200,
    "GET /api/v1/queues/{name}": 200,
    "POST /api/v1/queues/{name}:resume": 200,  # nothing was paused
    "GET /api/v1/workers": 200,
    "GET /api/v1/workers/status": 200,
    "GET /api/v1/workers/queues": 200,
    "POST /api/v1/workers/scale": 409,
    "GET /metrics": 200,  # says that it is away
    "GET /livez": 200,
    "HEAD /livez": 200,
    "GET /version": 200,
    "HEAD /version": 200,
}
ASKED = {"DELETE /api/v1/workers/dlq/clear": "?confirm=true"}
STREAMS = {"GET /api/v1/events"}  # begins, and waits for the database: tests/gateway/test_events.py


def use(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("VEDETTE_DATABASE_URL", url)
    settings.cache_clear()
    engine.engine().dispose()
    engine.forget()


def test_every_route_that_needs_it_is_503_and_says_when_to_come_back(
    client: TestClient, app: FastAPI, fresh_settings: pytest.MonkeyPatch
) -> None:
    use(fresh_settings, NOBODY)
    nothing = Foreign([new_id()], new_id(), [new_id()], new_id(), new_id(), new_id())
    seen = set()
    for route in routes(app):
        if route.method == "WS" or route.key in STREAMS:
            continue
        body = BODIES[route.key](nothing)[0] if route.has_body else None
        given: dict[str, Any] = {} if body is None else {"json": body}
        url = path_of(route.path, route.parameters) + ASKED.get(route.key, "")
        answer = client.request(route.method, url, **given)
        if route.key in WITHOUT:
            assert answer.status_code == WITHOUT[route.key], route.key
            seen.add(route.key)
            continue
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "5"), f"{route.key}: {answer.text}"
        if route.path != "/readyz":
            assert answer.json()["code"] == "database-away", route.key
    assert seen == set(WITHOUT)


def test_a_key_that_cannot_be_looked_up_is_not_called_wrong(
    client: TestClient, fresh_settings: pytest.MonkeyPatch
) -> None:
    use(fresh_settings, NOBODY)
    answer = client.get("/api/v1/jobs", headers={"Authorization": f"Bearer vdt_abcdefgh_{'x' * 43}"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@both_databases
def test_what_was_refused_meanwhile_is_done_once_when_it_is_asked_again(
    client: TestClient, fresh_settings: pytest.MonkeyPatch
) -> None:
    url = settings().database_url.get_secret_value()
    before = client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "before"}).json()["jobs"][0]["id"]
    use(fresh_settings, NOBODY)
    keys = ["before", *(f"k{number}" for number in range(5))]
    assert {ask(client, key).status_code for key in keys} == {503}
    use(fresh_settings, url)
    ids = [ask(client, key).json()["jobs"][0]["id"] for key in keys for _ in range(2)]
    assert ids[0] == before
    assert len(set(ids)) == len(keys)
    assert {job["id"] for job in client.get("/api/v1/jobs").json()["items"]} == set(ids)
    assert publish(ids)
    with reading("local") as connection:
        assert outbox.unpublished(connection, now()) == []


def ask(client: TestClient, key: str) -> Any:
    return client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": key})


def path_of(path: str, parameters: tuple[str, ...]) -> str:
    for name in parameters:
        path = path.replace(f"{{{name}}}", (NAMES.get(name) or [new_id()])[0])
    return path
