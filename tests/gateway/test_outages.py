"""What the gateway answers while what it needs is away."""

from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient

from shared.ids import now
from shared.settings import settings
from shared.store import engine, outbox
from shared.store.engine import reading
from shared.testing import RedisServer

JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}


def test_without_a_broker_a_job_is_taken_in_at_once_and_kept(client: TestClient, mortal_redis: RedisServer) -> None:
    client.post("/api/v1/jobs", json=JOB)  # what is made once is made
    mortal_redis.stop()
    started = time.monotonic()
    answer = client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
    took_s = time.monotonic() - started
    assert (answer.status_code, took_s < 2.0) == (202, True)
    with reading("local") as connection:
        assert outbox.unpublished(connection, now()) == [answer.json()["jobs"][0]["id"]]


def test_without_a_database_the_answer_is_503_and_when_to_come_back(
    client: TestClient, fresh_settings: pytest.MonkeyPatch
) -> None:
    fresh_settings.setenv("VEDETTE_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    settings.cache_clear()
    engine.engine().dispose()
    engine.forget()
    for key in ({}, {"Idempotency-Key": "k"}):
        started = time.monotonic()
        answer = client.post("/api/v1/jobs", json=JOB, headers=key)
        assert time.monotonic() - started < 5.0
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "database-away", "5")
