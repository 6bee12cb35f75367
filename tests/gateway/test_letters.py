"""Replays over HTTP, of jobs that failed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from shared.broker import presence, removal
from shared.broker.client import client as redis_client
from shared.broker.presence import WorkerRecord
from shared.contracts.job import StageName
from shared.ids import now
from shared.store import burial, operations
from shared.store.engine import reading, writing
from tests.gateway.driving import both_databases
from tests.gateway.test_interventions import fail
from tests.shared.store import dying

DLQ = "/api/v1/dlq"


@pytest.fixture
def dead(store: None, make_job: Callable[..., str]) -> Callable[..., tuple[str, str]]:
    """Make a job that failed in its scan, and its dead letter; a worker would take it again."""
    record = WorkerRecord(hostname="scan@h", service="scan", pid=1, queues=["scan"], concurrency=1, started_at=now())
    presence.write(redis_client(), record)

    def make(**fields: object) -> tuple[str, str]:
        job_id = make_job()
        fail(job_id)
        entry = dying.entry(job_id, org_id="local", **fields)
        with writing() as connection:
            burial.take_in(connection, [dying.arrival(entry, dying.message(job_id))])
        return job_id, dying.letter_of(job_id)

    return make


def sent() -> list[str]:
    return [json.loads(message.raw)["headers"]["id"] for message in removal.peek(redis_client(), "scan", 100)]


@both_databases
def test_one_is_replayed_once_and_then_refused(client: TestClient, dead: Callable[..., tuple[str, str]]) -> None:
    job_id, letter_id = dead()
    done = client.post(f"{DLQ}/{letter_id[-8:]}:replay")
    assert (done.status_code, done.json()["ok"], done.json()["job_id"]) == (200, True, job_id)
    assert sent() == [f"{job_id}.{StageName.SCAN}"]
    refused = client.post(f"{DLQ}/{letter_id}:replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong-state")
    assert len(sent()) == 1
    lines = client.get("/api/v1/audit?action=dlq.replay").json()["items"]
    assert [line["detail"]["code"] for line in lines] == ["wrong-state", "ok"]
    assert len(client.get("/api/v1/audit?action=dlq.replaying").json()["items"]) == 2
    assert client.get(f"/api/v1/jobs/{job_id}").json()["run"] == 2


@both_databases
def test_a_dry_run_says_what_a_replay_would_do_and_does_nothing(
    client: TestClient, dead: Callable[..., tuple[str, str]]
) -> None:
    dead()
    dead(queue="report")
    presence.remove(redis_client(), "scan@h")
    body = {"selection": {"all": True}, "dry_run": True}
    answer = client.post(f"{DLQ}:replay", json=body)
    assert (answer.status_code, answer.json()["total"], answer.json()["ok"]) == (200, 2, 0)
    assert answer.json()["refused"] == {"no-consumer": 2}
    assert not sent()


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"mode": "to-queue", "queue": "nowhere"}, 409),
        ({"mode": "edited", "changes": {"ports": "nonsense"}}, 409),
        ({"mode": "sideways"}, 422),
        ({"colour": "red"}, 422),
    ],
)
def test_a_replay_that_cannot_be_is_refused(
    client: TestClient, dead: Callable[..., tuple[str, str]], how: dict[str, object], code: int
) -> None:
    _, letter_id = dead()
    answer = client.post(f"{DLQ}/{letter_id}:replay", json=how)
    assert answer.status_code == code, answer.text
    assert not sent()


def test_secrets_of_destinations_are_neither_in_the_audit_nor_in_operations(
    client: TestClient, dead: Callable[..., tuple[str, str]]
) -> None:
    _, letter_id = dead()
    how = {"mode": "edited", "changes": {"notify": ["https://u:pw@hooks.example/T0/secret"]}}
    made = client.post(f"{DLQ}:replay", json={"selection": {"q": "stage:report"}, "how": how})
    assert made.status_code == 202
    assert client.post(f"{DLQ}/{letter_id}:replay", json=how).status_code == 200
    told = made.text + client.get("/api/v1/operations").text + client.get("/api/v1/audit").text
    assert "secret" not in told
    assert "pw@" not in told
    assert told.count("https://hooks.example/T0…") == 4
    with reading() as connection:  # whoever works it off needs them
        [task] = operations.active(connection)
    assert task.operation.params["how"] == {**task.operation.params["how"], **how}


@pytest.mark.parametrize(
    "how",
    [
        {"mode": "skip", "result": "x" * 501},
        {"mode": "to-queue", "queue": "x" * 65},
        {"mode": "edited", "changes": {"ports": "1," * 10_000}},
        {"mode": "edited", "changes": {"ports": json.loads("[" * 300 + "]" * 300)}},
    ],
    ids=["result", "queue", "changes", "depth"],
)
def test_what_is_asked_of_a_replay_has_bounds(
    client: TestClient, bury: Callable[..., str], how: dict[str, str]
) -> None:
    answer = client.post(f"{DLQ}/{bury()}:replay", json=how)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert client.get("/api/v1/audit").json()["items"] == []
