"""Submitted jobs reach the broker once, whoever submits them and however many they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery.signals import before_task_publish

from shared import pipeline
from shared.queue import app
from shared.settings import settings
from tests import broker
from tests.shared.store.making import make, new_job

MANY = 2 * pipeline.AT_ONCE + 1


@pytest.fixture
def client(database: str, bus_url: str) -> Iterator[redis.Redis]:
    """A client of the broker's database."""
    with broker.pointed(), redis.Redis.from_url(settings().bus_url) as made:
        made.connection_pool.connection_kwargs["db"] = settings().redis_broker_db
        yield made


def test_a_job_that_is_published_is_not_published_again(client: redis.Redis) -> None:
    ids = make(*(new_job() for _ in range(3)))
    pipeline.submit(ids[1:2])
    pipeline.submit(ids)
    pipeline.submit(ids)
    assert broker.waiting(client) == 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_two_that_submit_the_same_batch_publish_it_once(client: redis.Redis) -> None:
    """The reconciler finds a batch that its gateway is still publishing."""
    ids = make(*(new_job() for _ in range(MANY)))
    seen: list[Any] = []

    def reconcile(**_: object) -> None:
        seen.append(None)
        if len(seen) == pipeline.AT_ONCE + 1:  # the first of the second chunk: the first is noted by now
            before_task_publish.disconnect(reconcile)
            pipeline.submit(ids[: pipeline.AT_ONCE])
            pipeline.submit(ids[2 * pipeline.AT_ONCE :])

    before_task_publish.connect(reconcile)
    try:
        pipeline.submit(ids)
    finally:
        before_task_publish.disconnect(reconcile)
    assert len(seen) > pipeline.AT_ONCE
    assert broker.waiting(client) == MANY


def test_whoever_is_in_a_hurry_keeps_the_settings_that_keep_messages_safe(bus_url: str) -> None:
    safe = dict(app.conf.broker_transport_options)
    with broker.pointed():
        hurried = app.conf.broker_transport_options
        assert hurried["socket_connect_timeout"] <= 1
        assert hurried["lease_s"] == safe["lease_s"]
    assert app.conf.broker_transport_options == safe
