"""Jobs that never reached the broker are published when it is there."""

from __future__ import annotations

import time

import pytest
import redis

from control.reconciler import publish
from shared import testing
from shared.broker.client import BrokerAway
from shared.ids import now
from shared.pipeline import submit
from shared.settings import settings
from shared.store import outbox
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
