"""What a process holds stays its own: over a broker that is away, frozen or full, and no longer than it is needed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
import redis

from shared import testing
from shared.broker import client as broker_client
from shared.broker import keys
from shared.broker.lease import Leases
from shared.broker.sweep import Sweep
from tests.shared.broker.conftest import fill, ids, letters, put, take, waiting

LEASE_S = 1.0


def hold(client: redis.Redis, leases: Leases, *names: str) -> None:
    put(client, *names)
    for _ in names:
        taken = take(client)
        assert taken is not None
        leases.hold(taken.tag)


def short(server: testing.RedisServer) -> redis.Redis:
    path = server.url.removeprefix("unix://")
    return broker_client.connect({"connection_class": redis.UnixDomainSocketConnection, "path": path})


@pytest.fixture
def watcher(own_server: testing.RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_server.url, socket_timeout=10) as made:
        yield made


@pytest.fixture
def leases(own_server: testing.RedisServer) -> Leases:
    return Leases(short(own_server), LEASE_S)


def test_a_held_message_stays_held_for_longer_than_a_lease(watcher: redis.Redis, leases: Leases) -> None:
    hold(watcher, leases, "a")
    sweep, end = Sweep(watcher, LEASE_S), time.monotonic() + 3 * LEASE_S
    testing.wait_for(lambda: sweep.look() > 0 or time.monotonic() > end, "three leases pass")
    assert (waiting(watcher), watcher.hkeys(keys.UNACKED)) == ([], [b"a"])
    assert leases.acknowledge("a")
    assert not leases.acknowledge("a")


def test_what_ends_while_redis_is_down_ends_when_it_is_back(
    own_server: testing.RedisServer, watcher: redis.Redis, leases: Leases
) -> None:
    hold(watcher, leases, *"abc")
    watcher.config_set("appendfsync", "always")
    own_server.stop(9)
    start = time.monotonic()
    assert leases.acknowledge("a")
    assert leases.dead_letter("b", {"entry": "{}", "raw": b""})
    assert leases.put_back("c", counted=True, why="killed")
    assert time.monotonic() - start < 3
    assert leases.occupied == 0
    own_server.start()
    testing.wait_for(lambda: watcher.hlen(keys.UNACKED) == 0, "all have ended")
    assert (ids(watcher), len(letters(watcher))) == (["c"], 1)


def test_a_frozen_redis_holds_nobody_up_and_gives_nothing_back(
    own_server: testing.RedisServer, watcher: redis.Redis, leases: Leases
) -> None:
    hold(watcher, leases, *"ab")
    assert own_server.running is not None
    own_server.running.send_signal(signal.SIGSTOP)
    frozen = time.monotonic()
    try:
        assert leases.acknowledge("a")
        assert time.monotonic() - frozen < 2 * broker_client.TIMEOUT_S + 0.5
        testing.wait_for(lambda: time.monotonic() - frozen > 4 * LEASE_S, "four leases pass")
    finally:
        own_server.running.send_signal(signal.SIGCONT)
    sweep = Sweep(watcher, LEASE_S)
    testing.wait_for(lambda: sweep.look() > 0 or watcher.hkeys(keys.UNACKED) == [b"b"], "only b is held")
    end = time.monotonic() + 2 * LEASE_S
    testing.wait_for(lambda: sweep.look() > 0 or time.monotonic() > end, "two leases pass")
    assert (ids(watcher), watcher.hkeys(keys.UNACKED)) == ([], [b"b"])


def test_a_full_redis_takes_every_end(watcher: redis.Redis, leases: Leases) -> None:
    hold(watcher, leases, *"abc")
    fill(watcher)
    assert leases.acknowledge("a")
    assert leases.dead_letter("b", {"entry": "{}", "raw": b""})
    assert leases.put_back("c", counted=False)
    assert (watcher.hlen(keys.UNACKED), ids(watcher), len(letters(watcher))) == (0, ["c"], 1)


def test_what_redis_refuses_is_tried_again(watcher: redis.Redis, leases: Leases) -> None:
    hold(watcher, leases, "a")
    watcher.set(keys.DEAD_LETTERS, "not a stream")
    assert leases.dead_letter("a", {"entry": "{}", "raw": b""})
    assert watcher.hlen(keys.UNACKED) == 1
    watcher.delete(keys.DEAD_LETTERS)
    testing.wait_for(lambda: watcher.hlen(keys.UNACKED) == 0, "it has ended")
    assert len(letters(watcher)) == 1


def test_what_redis_refuses_costs_no_other_message_its_lease(watcher: redis.Redis, leases: Leases) -> None:
    hold(watcher, leases, "a", "b")
    watcher.set(keys.DEAD_LETTERS, "not a stream")
    assert leases.dead_letter("a", {"entry": "{}", "raw": b""})
    before = watcher.zscore(keys.LEASES, "b")
    testing.wait_for(lambda: watcher.zscore(keys.LEASES, "b") > before + LEASE_S, "the lease of b is renewed")
    assert (ids(watcher), set(watcher.hkeys(keys.UNACKED))) == ([], {b"a", b"b"})
    watcher.delete(keys.DEAD_LETTERS)
    testing.wait_for(lambda: watcher.hkeys(keys.UNACKED) == [b"b"], "a has ended")


def test_what_does_not_run_after_a_lost_connection_goes_back_uncounted(watcher: redis.Redis, leases: Leases) -> None:
    hold(watcher, leases, "running", "dropped", "of another connection")
    leases.leave(["running", "dropped"], lambda: ["running"])
    testing.wait_for(lambda: ids(watcher) == ["dropped"], "the dropped one goes back")
    assert keys.DELIVERIES not in waiting(watcher)[0]["headers"]
    assert set(watcher.hkeys(keys.UNACKED)) == {b"running", b"of another connection"}


def test_a_lease_that_was_lost_is_not_renewed(watcher: redis.Redis, leases: Leases) -> None:
    hold(watcher, leases, "a")
    watcher.delete(keys.UNACKED, keys.LEASES)
    testing.wait_for(lambda: leases.occupied == 0, "the loss is seen")
    assert watcher.zcard(keys.LEASES) == 0


def test_the_thread_ends_when_nothing_needs_it(watcher: redis.Redis, leases: Leases) -> None:
    hold(watcher, leases, "a")
    thread = leases._thread
    assert thread is not None
    assert leases.acknowledge("a")
    thread.join(10)
    assert not thread.is_alive()
