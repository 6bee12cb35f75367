"""A silent worker's message comes back, and nobody else's does."""

from __future__ import annotations

import json
import time
from functools import partial

import redis

from shared import testing
from shared.broker import keys
from shared.broker.holding import renew
from shared.broker.sweep import Sweep
from tests.shared.broker.conftest import ids, message, put, take, waiting

LEASE_S = 0.6


def until(sweep: Sweep, what: str) -> float:
    """Look until something comes back; the seconds that it took."""
    start = time.monotonic()
    testing.wait_for(sweep.look, what, 10)
    return time.monotonic() - start


def test_a_silent_workers_message_comes_back_counted(client: redis.Redis) -> None:
    put(client, "a")
    assert take(client) is not None
    assert LEASE_S <= until(Sweep(client, LEASE_S), "the message comes back") < 3 * LEASE_S
    assert waiting(client)[0]["headers"][keys.DELIVERIES] == 2
    assert client.hlen(keys.UNACKED) == client.zcard(keys.LEASES) == 0


def test_the_first_sight_of_an_old_lease_is_not_enough(client: redis.Redis) -> None:
    """A Redis that was frozen finds all leases too old at once; whoever lives renews them before the second."""
    put(client, "living", "dead")
    for _ in range(2):
        assert take(client) is not None
    client.zadd(keys.LEASES, {"living": 1.0, "dead": 1.0})
    sweep = Sweep(client, LEASE_S)
    assert sweep.look() == 0
    assert renew(client, ["living"]) == set()
    until(sweep, "the dead one comes back")
    assert ids(client) == ["dead"]


def test_a_renewal_between_two_sights_begins_them_anew(client: redis.Redis) -> None:
    put(client, "a")
    assert take(client) is not None
    sweep = Sweep(client, LEASE_S)
    for age in (10.0, 9.0, 8.0, 7.0):
        client.zadd(keys.LEASES, {"a": time.time() - age})
        assert sweep.look() == 0
        end = time.monotonic() + LEASE_S / 3  # as far apart as two sights of the same lease must be
        testing.wait_for(partial(_is_past, end), "a third of a lease passes")
    assert ids(client) == []


def test_of_many_who_look_one_gives_back(client: redis.Redis) -> None:
    put(client, *"abcde")
    for _ in range(5):
        assert take(client) is not None
    sweeps = [Sweep(client, LEASE_S) for _ in range(3)]
    given = 0

    def look() -> bool:
        nonlocal given
        given += sum(sweep.look() for sweep in sweeps)
        return given >= 5

    testing.wait_for(look, "all come back", 10)
    assert (given, len(waiting(client))) == (5, 5)
    assert sorted(ids(client)) == list("abcde")


def test_a_message_without_a_lease_gets_one_and_a_lease_without_a_message_goes(client: redis.Redis) -> None:
    put(client, "a")
    assert take(client) is not None
    client.delete(keys.LEASES)
    client.zadd(keys.LEASES, {"gone": 1.0, "gone too": 1.0})
    Sweep(client, 60).look()
    assert client.zrange(keys.LEASES, 0, -1) == [b"a"]


def test_messages_that_the_stock_transport_held_come_back(client: redis.Redis) -> None:
    """As after an update: its entries name an exchange, and their times are those of its clock."""
    client.hset(keys.UNACKED, "old", json.dumps([message("old"), "scan", "scan"]))
    client.zadd(keys.LEASES, {"old": 1700000000.5})
    until(Sweep(client, LEASE_S), "it comes back")
    assert ids(client) == ["old"]


def _is_past(end: float) -> bool:
    return time.monotonic() > end


def test_a_message_that_cannot_be_put_back_holds_up_no_other(client: redis.Redis) -> None:
    put(client, "stuck", lane="report")
    put(client, "fine")
    assert take(client, "report") is not None
    assert take(client) is not None
    client.set("report", "not a list")
    client.zadd(keys.LEASES, {b"\xff": 1.0, "stuck": 2.0})
    until(Sweep(client, LEASE_S), "the other one comes back")
    assert (ids(client), client.hkeys(keys.UNACKED)) == (["fine"], [b"stuck"])
