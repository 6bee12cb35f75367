"""A lane is paused by somebody, for a reason, until it is resumed; on a full server too."""

from __future__ import annotations

import time

import redis

from shared.broker import keys
from shared.broker.pause import pause, paused, resume
from tests.shared.broker.conftest import fill


def test_a_pause_says_who_when_and_why(client: redis.Redis) -> None:
    pause(client, "scan", "me", "too loud")
    [(lane, found)] = paused(client).items()
    assert (lane, found.by, found.reason) == ("scan", "me", "too loud")
    assert abs(found.since.timestamp() - time.time()) < 60


def test_a_resumed_lane_wakes_its_consumers(client: redis.Redis) -> None:
    pause(client, "scan", "me")
    assert resume(client, "scan")
    assert not resume(client, "scan")
    assert (paused(client), client.llen(keys.wake("scan"))) == ({}, 1)


def test_a_full_server_can_be_paused_and_resumed(client: redis.Redis) -> None:
    fill(client)
    pause(client, "scan", "me")
    assert list(paused(client)) == ["scan"]
    assert resume(client, "scan")


def test_an_entry_that_is_not_ours_pauses_all_the_same(client: redis.Redis) -> None:
    client.hset(keys.PAUSED, mapping={"scan": "\xff", "report": "[]", "notify": '{"by": 1}'})
    assert set(paused(client)) == {"scan", "report", "notify"}
