"""The look of a worker's main process at what it runs. The requests are of messages held in a real broker."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis
from celery.worker import state

from shared import testing
from shared.broker import client as broker_client
from shared.broker import flags, keys, presence
from shared.broker.presence import WorkerRecord
from shared.broker.request import Request
from shared.broker.watch import Watch
from shared.ids import now
from shared.settings import settings
from tests.shared.broker.conftest import waiting

GRACE_S = 0.5


@pytest.fixture
def point(server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch) -> Iterator[None]:
    """The broker of this process's settings is that of the test."""
    fresh_settings.setenv("VEDETTE_REDIS_URL", server.url)
    settings.cache_clear()
    broker_client.forget()
    yield
    broker_client.forget()


def describe(running: Sequence[Request]) -> WorkerRecord:
    names = [f"{len(running)} run"]
    return WorkerRecord(hostname="scan@h", service="scan", pid=1, queues=names, concurrency=1, started_at=now())


def made(stop_grace_s: float = 300.0) -> Watch:
    watch = Watch("scan@h", describe, stop_grace_s)
    watch.start()
    return watch


def running(request_of: Any, job_id: str = "j") -> Any:
    request = request_of(job_id)
    request._args = [{"job_id": job_id}]
    state.active_requests.add(request)
    return request


@pytest.mark.usefixtures("point")
def test_a_worker_is_known_while_it_lives_and_what_it_runs(request_of: Any, client: redis.Redis) -> None:
    watch = made()
    request = running(request_of)
    watch.look()
    testing.wait_for(lambda: presence.live(client), "it is known")
    assert [record.queues for record in presence.live(client)] == [["1 run"]]
    assert not request.is_withdrawn
    watch.end()
    assert presence.live(client) == presence.lost(client) == []


@pytest.mark.usefixtures("point")
def test_only_a_cancelled_job_is_withdrawn_and_only_after_its_grace(
    request_of: Any, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.broker.watch.CANCEL_GRACE_S", GRACE_S)
    watch = made()
    cancelled, other = running(request_of, "flagged"), running(request_of, "other")
    flags.flag(client, ["flagged"])
    asked = time.monotonic()

    def is_withdrawn() -> bool:
        watch.look()
        return bool(cancelled.is_withdrawn)

    testing.wait_for(is_withdrawn, "it is withdrawn")
    assert time.monotonic() - asked >= GRACE_S
    assert not other.is_withdrawn
    [message] = waiting(client)
    assert keys.DELIVERIES not in message["headers"]
    watch.end()


@pytest.mark.usefixtures("point")
def test_a_worker_that_stops_withdraws_what_has_used_up_its_grace(request_of: Any, client: redis.Redis) -> None:
    watch = made(stop_grace_s=0.2)
    request = running(request_of)
    watch.look()
    testing.wait_for(lambda: presence.live(client), "it is known")
    assert not request.is_withdrawn
    watch.stop()

    def is_withdrawn() -> bool:
        watch.look()
        return bool(request.is_withdrawn)

    testing.wait_for(is_withdrawn, "it is withdrawn")
    testing.wait_for(lambda: is_withdrawn() and presence.live(client)[0].queues == [], "it takes from no queue")
    watch.end()


def test_a_broker_that_hangs_does_not_hold_up_the_loop(
    own_server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch
) -> None:
    fresh_settings.setenv("VEDETTE_REDIS_URL", own_server.url)
    settings.cache_clear()
    broker_client.forget()
    watch = made()
    assert own_server.running is not None
    own_server.running.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    for _ in range(20):
        watch.look()
    assert time.monotonic() - begun < broker_client.TIMEOUT_S
    own_server.running.send_signal(signal.SIGCONT)
    watch.end()
    broker_client.forget()
