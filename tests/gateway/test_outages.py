"""What the gateway answers while what it needs is away."""

from __future__ import annotations

import signal
import time
from typing import Any

from fastapi.testclient import TestClient

from shared.ids import new_id, now
from shared.store import outbox
from shared.store.engine import reading
from shared.testing import RedisServer

JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}


def test_without_a_broker_a_job_is_taken_in_at_once_and_kept(client: TestClient, mortal_redis: RedisServer) -> None:
    client.post("/api/v1/jobs", json=JOB)  # what is made once is made
    mortal_redis.stop()
    answer, took_s = submitted(client)
    assert (answer.status_code, took_s < 0.5) == (202, True)  # measured: 0.007
    with reading("local") as connection:
        assert outbox.unpublished(connection, now()) == [answer.json()["jobs"][0]["id"]]


def test_a_broker_that_is_silent_holds_nobody_up_for_a_second(client: TestClient, mortal_redis: RedisServer) -> None:
    client.post("/api/v1/jobs", json=JOB)
    assert mortal_redis.running
    mortal_redis.running.send_signal(signal.SIGSTOP)
    try:
        taken = [submitted(client) for _ in range(3)]
    finally:
        mortal_redis.running.send_signal(signal.SIGCONT)
    assert [answer.status_code for answer, _ in taken] == [202] * 3
    first_s, *others_s = [took_s for _, took_s in taken]
    assert first_s < 1.0  # measured: 0.45
    assert max(others_s) < 0.3  # they know of it; measured: 0.007
    with reading("local") as connection:
        waiting = outbox.unpublished(connection, now())
    assert sorted(waiting) == sorted(answer.json()["jobs"][0]["id"] for answer, _ in taken)


def submitted(client: TestClient) -> tuple[Any, float]:
    """Submit a job; return the answer and how many seconds it took."""
    started = time.monotonic()
    answer = client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": new_id()})
    return answer, time.monotonic() - started
