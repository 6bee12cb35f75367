"""What waits, what is held, and where a task is among it."""

from __future__ import annotations

import time
from unittest.mock import ANY

import redis

from shared.broker import depth, keys, pause
from shared.contracts.lanes import ALL_LANES
from tests.shared.broker.conftest import put, take


def test_a_snapshot_counts_what_waits_and_what_is_held(client: redis.Redis) -> None:
    put(client, "a", "b", priority=6)
    put(client, "c", priority=0)
    put(client, "d", lane="report", priority=3)
    assert take(client) is not None
    pause.pause(client, "report", "me", "storm")
    seen = depth.snapshot(client)
    assert set(seen.lanes) == set(ALL_LANES)
    scan, report = seen.lanes["scan"], seen.lanes["report"]
    assert (scan.waiting, scan.total, scan.unacknowledged) == ({0: 0, 3: 0, 6: 2, 9: 0}, 2, 1)
    assert (report.waiting[3], report.unacknowledged) == (1, 0)
    assert report.paused == pause.Pause("me", ANY, "storm")
    assert seen.paused == {"report": report.paused}
    assert scan.paused is None


def test_the_oldest_that_waits_is_found_at_either_end(client: redis.Redis) -> None:
    now = time.time()
    put(client, "served next", **{keys.QUEUED_AT: now - 10})
    put(client, "put back behind it", **{keys.QUEUED_AT: now - 100.25})
    age = depth.snapshot(client).lanes["scan"].oldest_age_s
    assert age is not None
    assert 100 <= age < 110


def test_ages_are_none_where_nothing_waits_or_nobody_noted_them(client: redis.Redis) -> None:
    client.lpush("report", "garbage")
    put(client, "a", **{keys.QUEUED_AT: "yesterday"})
    lanes = depth.snapshot(client).lanes
    assert [lanes[lane].oldest_age_s for lane in ("notify", "report", "scan")] == [None, None, None]
    assert lanes["report"].total == 1


def test_a_position_counts_those_that_are_served_before(client: redis.Redis) -> None:
    put(client, "urgent", "urgent too", priority=0)
    put(client, "a", "b", "c", priority=6)
    assert [depth.position(client, "scan", f"job-{name}.scan") for name in ("urgent", "a", "c")] == [0, 2, 4]
    assert depth.position(client, "scan", "job-nobody.scan") is None
    assert depth.position(client, "report", "job-a.scan") is None


def test_a_position_in_a_long_queue(client: redis.Redis) -> None:
    put(client, *map(str, range(2 * depth.CHUNK + 10)), priority=6)
    assert depth.position(client, "scan", "job-0.scan") == 0
    assert depth.position(client, "scan", f"job-{2 * depth.CHUNK + 5}.scan") == 2 * depth.CHUNK + 5


def test_present_are_those_that_wait_and_those_that_are_held(client: redis.Redis) -> None:
    put(client, *map(str, range(depth.CHUNK + 10)), priority=3)
    put(client, "held", root_id="job-root.scan")
    assert take(client) is not None
    client.lpush("report", "garbage")
    put(client, "other", lane="elsewhere")
    expected = {f"job-{n}.scan" for n in range(depth.CHUNK + 10)} | {"job-held.scan"}
    assert depth.present(client) == expected
