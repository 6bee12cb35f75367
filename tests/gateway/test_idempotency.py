from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from shared.errors import Temporary
from shared.ids import now
from shared.settings import settings
from shared.store import idempotency as requests
from shared.store import jobs
from shared.store.engine import reading, writing
from shared.store.tables import idempotent_requests
from shared.testing import process, wait_for
from tests.gateway import foreign
from tests.gateway.driving import BEARER, both_databases

JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}
OTHER = {"target": {"kind": "host", "host": "127.0.0.2"}}
KEY = {"Idempotency-Key": "the-one"}


def _jobs() -> int:
    with reading("local") as connection:
        return len(jobs.page(connection, "local", limit=100))


@both_databases
def test_a_request_that_comes_again_gets_the_same_answer_and_makes_nothing(client: TestClient) -> None:
    first = client.post("/api/v1/jobs", json=JOB, headers=KEY)
    again = client.post("/api/v1/jobs", json=JOB, headers=KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert (again.headers["idempotency-replayed"], first.headers.get("idempotency-replayed")) == ("true", None)
    assert _jobs() == 1


def test_another_body_under_the_same_key_is_refused(client: TestClient) -> None:
    client.post("/api/v1/jobs", json=JOB, headers=KEY)
    refused = client.post("/api/v1/jobs", json=OTHER, headers=KEY)
    assert (refused.status_code, refused.json()["code"]) == (422, "key-reused")
    assert _jobs() == 1


def test_a_refusal_is_kept_as_well(client: TestClient) -> None:
    wrong = {"target": {"kind": "host", "host": "not a host"}}
    first = client.post("/api/v1/jobs", json=wrong, headers=KEY)
    again = client.post("/api/v1/jobs", json=wrong, headers=KEY)
    assert first.status_code == again.status_code == 422
    assert again.content == first.content


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é".encode().decode("latin-1")])
def test_what_is_no_key_is_refused(client: TestClient, key: str) -> None:
    refused = client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": key.encode("latin-1")})
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency-key-malformed")


def test_what_is_in_work_is_409_until_it_is_answered(app: FastAPI, client: TestClient) -> None:
    entered, may_go = threading.Event(), threading.Event()

    @app.post("/api/v1/slow")
    def slow() -> dict[str, str]:
        entered.set()
        may_go.wait(10)
        return {"a": "b"}

    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(client.post("/api/v1/slow", headers=KEY)))
    first.start()
    assert entered.wait(10)
    meanwhile = client.post("/api/v1/slow", headers=KEY)
    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "request-in-work")
    assert meanwhile.headers["retry-after"] == "1"
    may_go.set()
    first.join()
    assert client.post("/api/v1/slow", headers=KEY).json() == answers[0].json() == {"a": "b"}


def test_a_failure_of_ours_is_not_kept(app: FastAPI, client: TestClient) -> None:
    failures = [Temporary("Not now."), RuntimeError("a bug")]

    @app.post("/api/v1/shaky")
    def shaky() -> dict[str, str]:
        if failures:
            raise failures.pop()
        return {"a": "b"}

    assert [client.post("/api/v1/shaky", headers=KEY).status_code for _ in range(3)] == [500, 503, 200]


def test_a_key_of_a_dead_gateway_frees_itself(client: TestClient) -> None:
    client.post("/api/v1/jobs", json=JOB, headers=KEY)
    unanswered = {"status": None, "made": None, "body": None}
    with writing("local") as connection:
        connection.execute(update(idempotent_requests).values(**unanswered, expires_at=now() + timedelta(seconds=30)))
    assert client.post("/api/v1/jobs", json=JOB, headers=KEY).status_code == 409
    with writing("local") as connection:
        connection.execute(update(idempotent_requests).values(expires_at=now() - timedelta(seconds=1)))
    assert client.post("/api/v1/jobs", json=JOB, headers=KEY).status_code == 202


def test_an_answer_too_large_to_keep_is_made_anew_from_the_same_jobs(client: TestClient) -> None:
    asked = {"targets": [{"kind": "host", "host": "127.0.1.0/24"}]}
    first = client.post("/api/v1/jobs", json=asked, headers=KEY).json()
    with writing("local") as connection:
        connection.execute(update(idempotent_requests).values(body=None))
    again = client.post("/api/v1/jobs", json=asked, headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert [job["id"] for job in again.json()["jobs"]] == [job["id"] for job in first["jobs"]]
    assert again.json()["batch_id"] == first["batch_id"]


def test_bulk_work_begins_once(client: TestClient, make_job: Any) -> None:
    make_job()
    asked = {"q": "kind:host", "expect": 1}
    first = client.post("/api/v1/jobs:cancel", json=asked, headers=KEY)
    again = client.post("/api/v1/jobs:cancel", json=asked, headers=KEY)
    assert (first.status_code, again.json()) == (202, first.json())
    assert len(client.get("/api/v1/operations").json()["items"]) == 1


def test_answers_lie_sealed(client: TestClient) -> None:
    client.post("/api/v1/jobs", json=JOB, headers=KEY)
    with reading("local") as connection:
        stored = connection.execute(select(idempotent_requests.c.body)).scalar_one()
    assert stored.startswith("sealed:")
    assert "127.0.0.1" not in stored


@pytest.fixture
def dying(store: None, fresh_settings: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of a gateway that dies of every request with a key, and is there again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fresh_settings.setenv("VEDETTE_GATEWAY_PORT", str(port))
    settings.cache_clear()
    with process([sys.executable, "-m", "tests.gateway.dying_gateway"], {}, tmp_path / "gateway.log"):
        yield f"http://127.0.0.1:{port}"


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/livez").status_code == 200
    except httpx2.HTTPError:
        return False


def _lost(dying: str, path: str, body: dict[str, Any]) -> None:
    """Send a request whose answer is lost."""
    wait_for(lambda: _answers(dying), "the gateway serves")
    with pytest.raises(httpx2.HTTPError):
        httpx2.post(f"{dying}/api/v1/{path}", json=body, headers={**BEARER, "Idempotency-Key": path})


def _again(client: TestClient, path: str, body: dict[str, Any]) -> httpx2.Response:
    """Send it again, to another gateway."""
    content = json.dumps(body, separators=(",", ":"))
    headers = {"Idempotency-Key": path, "Content-Type": "application/json"}
    return client.post(f"/api/v1/{path}", content=content, headers=headers)


@both_databases
def test_a_gateway_killed_before_it_answers_makes_no_job_twice(dying: str, client: TestClient) -> None:
    _lost(dying, "jobs", JOB)
    assert _jobs() == 1
    again = _again(client, "jobs", JOB)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert _jobs() == 1


ONE_THING: dict[str, dict[str, Any]] = {
    "orgs": {"id": "acme", "name": "Acme"},
    "users": {"email": "ada@example.org", "org": "local"},
    "api-keys": {"name": "ci"},
    "scan-rules": {"effect": "deny", "what": "10.0.0.0/8"},
    "dlq/rules": {"contains": "refused", "failure_class": "temporary"},
}


@both_databases
def test_a_gateway_killed_before_it_answers_makes_nothing_else_twice(dying: str, client: TestClient) -> None:
    before = {path: len(client.get(f"/api/v1/{path}").json()["items"]) for path in ONE_THING}
    for path, body in ONE_THING.items():
        _lost(dying, path, body)
    again = {path: _again(client, path, body) for path, body in ONE_THING.items()}
    assert {(each.status_code, each.headers["idempotency-replayed"]) for each in again.values()} == {(201, "true")}
    assert {path: len(client.get(f"/api/v1/{path}").json()["items"]) - 1 for path in ONE_THING} == before
    for path in ("orgs", "users", "api-keys"):
        assert again[path].json()["id"] in {each["id"] for each in client.get(f"/api/v1/{path}").json()["items"]}
    secret = {"Authorization": f"Bearer {again['api-keys'].json()['secret']}"}
    assert client.get("/api/v1/auth/me", headers=secret).status_code == 200
    assert len(again["users"].json()["password"]) >= 12


def test_of_an_organisation_the_newest_answers_are_kept(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "KEPT_OF_ONE", 3)
    monkeypatch.setattr(requests, "COUNTED_EVERY", 1)
    others = foreign.bearer(foreign.B)
    assert client.post("/api/v1/jobs", json=JOB, headers={**others, **KEY}).status_code == 202
    for number in range(6):
        client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": f"key-{number}"})
    with reading() as connection:
        kept = connection.execute(
            select(idempotent_requests.c.key).order_by(idempotent_requests.c.created_at)
        ).scalars()
        assert list(kept) == ["the-one", "key-2", "key-3", "key-4", "key-5"]
