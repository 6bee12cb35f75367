"""A flag is up until it is taken down, or is a day old."""

from __future__ import annotations

import time

import redis

from shared.broker import keys
from shared.broker.flags import KEPT_S, clear, flag, flagged
from tests.shared.broker.conftest import fill


def test_flagged_are_those_that_were_flagged(client: redis.Redis) -> None:
    flag(client, ["a", "b"])
    flag(client, ["a"])
    assert flagged(client, ["a", "b", "c"]) == {"a", "b"}
    clear(client, ["a", "c"])
    assert flagged(client, ["a", "b"]) == {"b"}


def test_no_ids_ask_nothing(client: redis.Redis) -> None:
    flag(client, [])
    clear(client, [])
    assert flagged(client, []) == set()


def test_old_flags_are_forgotten(client: redis.Redis) -> None:
    client.zadd(keys.CANCELLED, {"old": time.time() - KEPT_S - 60, "recent": time.time() - 60})
    flag(client, ["new"])
    assert flagged(client, ["old", "recent", "new"]) == {"recent", "new"}


def test_a_job_can_be_flagged_on_a_full_server(client: redis.Redis) -> None:
    fill(client)
    flag(client, ["a"])
    assert flagged(client, ["a"]) == {"a"}
