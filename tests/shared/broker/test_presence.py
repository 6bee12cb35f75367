from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from shared import testing
from shared.broker import keys, presence
from shared.broker.presence import WorkerRecord
from shared.contracts.queues import ActiveTask
from shared.ids import now
from tests.shared.broker.conftest import fill


@pytest.fixture
def client(redis_server: testing.RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as made:
        made.flushall()
        yield made
        made.config_set("maxmemory", 0)
        made.flushall()


def record(hostname: str = "scan@here") -> WorkerRecord:
    active = [ActiveTask(task_id="j1.scan", job_id="j1", stage="scan", since=now())]
    return WorkerRecord(
        hostname=hostname, service="scan", pid=7, queues=["scan"], concurrency=2, active=active, started_at=now()
    )


def age(client: redis.Redis, hostname: str, seconds: float) -> None:
    document = json.loads(client.hget(keys.WORKERS, hostname) or b"")
    client.hset(keys.WORKERS, hostname, json.dumps({**document, "at": document["at"] - seconds}))


def test_a_worker_says_what_it_is_and_does(client: redis.Redis) -> None:
    made = record()
    presence.write(client, made)
    [read] = presence.live(client)
    assert read.model_copy(update={"at": 0.0}) == made
    assert (read.busy, read.view.busy, read.view.active) == (1, 1, made.active)
    assert abs(read.at - float(client.time()[0])) < 5.0
    assert read.view.seen_at == read.seen_at


def test_a_worker_that_fell_silent_is_lost_and_forgotten_later(client: redis.Redis) -> None:
    for hostname in ("scan@a", "scan@b", "scan@c"):
        presence.write(client, record(hostname))
    age(client, "scan@b", presence.LIVE_S)
    age(client, "scan@c", presence.KEPT_S)
    assert [found.hostname for found in presence.live(client)] == ["scan@a"]
    assert [found.hostname for found in presence.lost(client)] == ["scan@b", "scan@c"]
    assert presence.trim(client) == 1
    assert [found.hostname for found in presence.lost(client)] == ["scan@b"]


def test_a_worker_that_takes_leave_is_gone_at_once(client: redis.Redis) -> None:
    presence.write(client, record())
    presence.remove(client, record().hostname)
    assert presence.live(client) == presence.lost(client) == []
    assert [found.hostname for found in presence.left(client)] == [record().hostname]


def test_a_record_of_another_version_is_passed_over(client: redis.Redis) -> None:
    presence.write(client, record())
    client.hset(keys.WORKERS, "odd", b'{"hostname": 5}')
    client.hset(keys.WORKERS, "no-json", b"\xff")
    assert [found.hostname for found in presence.live(client)] == ["scan@here"]


def test_workers_of_a_full_server_are_not_taken_for_lost(client: redis.Redis) -> None:
    fill(client)
    presence.write(client, record())
    assert [found.hostname for found in presence.live(client)] == [record().hostname]
    presence.remove(client, record().hostname)
    assert [found.hostname for found in presence.left(client)] == [record().hostname]
