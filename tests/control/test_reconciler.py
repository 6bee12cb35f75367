"""Jobs that never reached the broker are published when it is there, and scheduled ones when they are due."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import redis

from control.reconciler import publish, queue_due
from shared import testing
from shared.broker.client import BrokerAway
from shared.contracts.events import EventType
from shared.contracts.job import JobState
from shared.ids import now
from shared.pipeline import submit
from shared.settings import settings
from shared.store import jobs, outbox, timeline
from shared.store.engine import reading
from tests import broker
from tests.shared.store.making import make, new_job

SUBMIT_S = 8.0  # with a broker that is away, on a busy machine


def messages(server: testing.RedisServer) -> int:
    with redis.Redis.from_url(f"{server.url}?db={settings().redis_broker_db}") as client:
        return broker.waiting(client)


def unpublished() -> list[str]:
    with reading() as connection:
        return outbox.unpublished(connection, now())


def test_a_published_job_is_not_published_again(server: testing.RedisServer) -> None:
    submit(make())
    assert messages(server) == 1
    assert publish() == 0
    assert messages(server) == 1


def test_jobs_that_were_only_written_are_published_once(server: testing.RedisServer) -> None:
    make(*(new_job() for _ in range(3)))
    assert publish() == 3
    assert (messages(server), unpublished()) == (3, [])
    assert publish() == 0


def test_a_job_is_given_time_to_be_published_by_whoever_wrote_it(
    server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch
) -> None:
    fresh_settings.setenv("VEDETTE_REPUBLISH_AFTER_S", "3600")
    settings.cache_clear()
    make()
    assert publish() == 0


def test_a_broker_that_is_away_keeps_jobs_in_the_store_until_it_is_back(server: testing.RedisServer) -> None:
    submit(make())  # a pooled connection that will be dead
    server.stop()
    ids = make(new_job(), new_job())
    started = time.perf_counter()
    with pytest.raises(BrokerAway):
        submit(ids)
    assert time.perf_counter() - started < SUBMIT_S
    with pytest.raises(BrokerAway):
        publish()
    assert unpublished() == ids
    server.start()
    assert publish() == 2
    assert (messages(server), unpublished()) == (3, [])


def test_a_late_message_is_explained_in_the_timeline(server: testing.RedisServer) -> None:
    [job_id] = make()
    publish()
    with reading() as connection:
        [repaired] = [event for event in timeline.of_job(connection, job_id) if event.type is EventType.JOB_REPAIRED]
    assert repaired.data["what"] == "message sent late"


def test_a_scheduled_job_is_sent_when_it_is_due_and_not_before(server: testing.RedisServer) -> None:
    due_at = now() + timedelta(seconds=1)
    soon, _later = make(new_job(due_at=due_at), new_job(due_at=due_at + timedelta(hours=1)))
    assert queue_due() == publish() == messages(server) == 0
    testing.wait_for(queue_due, "one is due")
    assert now() >= due_at
    assert messages(server) == 1
    with reading() as connection:
        assert jobs.view(connection, soon).state is JobState.QUEUED
    assert queue_due() == 0


def test_a_job_that_is_due_while_the_broker_is_away_is_sent_when_it_is_back(server: testing.RedisServer) -> None:
    make(new_job(due_at=now()))
    server.stop()
    with pytest.raises(BrokerAway):
        queue_due()
    server.start()
    assert queue_due() == 0
    assert publish() == 1
    assert messages(server) == 1
