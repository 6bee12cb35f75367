"""A message is in a queue or in somebody's hands, at every instant, and what is none is a dead letter."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
import redis

from shared.broker import keys, pause
from shared.broker.claim import claim
from shared.contracts.dead_letter import MAX_RAW, DeadLetterEntry, Reason
from tests.shared.broker.conftest import fill, ids, letters, message, put, take


def test_a_claimed_message_is_held_from_that_instant(client: redis.Redis) -> None:
    put(client, "a")
    before = time.time()
    taken = take(client)
    assert taken is not None
    assert (taken.lane, taken.tag, json.loads(taken.raw)) == ("scan", "a", message("a"))
    assert json.loads(client.hget(keys.UNACKED, "a")) == [message("a"), "", "scan"]
    assert before - 1 <= client.zscore(keys.LEASES, "a") <= time.time() + 1
    assert take(client) is None


def test_first_in_first_out_and_the_urgent_before_the_others(client: redis.Redis) -> None:
    put(client, "a", "b", priority=6)
    put(client, "c", priority=0)
    put(client, "d", priority=9)
    assert [taken.tag for _ in range(4) if (taken := take(client))] == ["c", "a", "b", "d"]


def test_lists_are_served_in_the_order_given(client: redis.Redis) -> None:
    put(client, "slow", lane="scan.heavy")
    put(client, "quick", lane="scan.realtime", priority=3)
    taken = claim(client, [*keys.lists("scan.realtime"), *keys.lists("scan.heavy")])
    assert taken is not None
    assert (taken.lane, taken.tag) == ("scan.realtime", "quick")


def test_a_paused_lane_is_passed_over(client: redis.Redis) -> None:
    put(client, "a", priority=3)
    put(client, "b", lane="report")
    pause.pause(client, "scan", "me", "storm")
    taken = claim(client, [*keys.lists("scan"), *keys.lists("report")])
    assert taken is not None
    assert taken.tag == "b"
    assert take(client) is None
    pause.resume(client, "scan")
    assert (taken := take(client)) is not None
    assert taken.tag == "a"


def test_whoever_takes_one_of_many_wakes_another(client: redis.Redis) -> None:
    put(client, "a", "b", priority=6)
    put(client, "c", priority=0)
    for left in (1, 1, 0):
        client.delete(keys.wake("scan"))
        assert take(client) is not None
        assert client.llen(keys.wake("scan")) == left


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe not json",
        b"5",
        b"null",
        b"[1]",
        b"{}",
        b'"text"',
        b'{"properties": 5}',
        b'{"properties": {"delivery_tag": 5}}',
        b'{"properties": {"delivery_tag": ""}}',
        b'{"properties": {"delivery_tag": "' + b"x" * 65 + b'"}}',  # the ledger keeps 64 of a tag
        b'{"properties": {"delivery_tag": "\xff\xfe"}}',
        b'{"properties": {"delivery_tag": "\xed\xa0\x80"}}',
        b'{"properties": {"delivery_tag": "a\\u0000b"}}',
        b"[" * 5000,
        b'{"properties": {"delivery_tag": "z"}, "body": "' + b"x" * MAX_RAW + b'"}',
    ],
    ids=lambda raw: raw[:40].decode(errors="replace"),
)
def test_what_is_no_message_is_a_dead_letter_and_the_next_one_is_served(client: redis.Redis, garbage: bytes) -> None:
    client.lpush("scan", garbage)
    put(client, "good")
    taken = take(client)
    assert taken is not None
    assert taken.tag == "good"
    [(stream_id, fields)] = client.xrange(keys.DEAD_LETTERS)
    entry, raw = DeadLetterEntry.read(stream_id.decode(), fields)
    assert (entry.reason, entry.queue, entry.failure_class) == (Reason.UNDECODABLE_ENVELOPE, "scan", "permanent")
    assert raw == garbage[:MAX_RAW]
    assert client.hkeys(keys.UNACKED) == [b"good"]


def test_a_second_message_of_the_same_tag_does_not_replace_the_first(client: redis.Redis) -> None:
    put(client, "a")
    assert take(client) is not None
    put(client, "a", of="another")
    assert take(client) is None
    [letter] = letters(client)
    assert json.loads(letter["raw"])["headers"]["of"] == "another"
    assert client.hlen(keys.UNACKED) == 1


def test_a_full_server_still_gives_its_messages_out(client: redis.Redis) -> None:
    client.lpush("scan", "garbage")
    put(client, "a")
    fill(client)
    assert (taken := take(client)) is not None
    assert taken.tag == "a"
    assert client.hkeys(keys.UNACKED) == [b"a"]
    assert len(letters(client)) == 1


def test_a_worker_killed_right_after_it_took_a_message_has_not_lost_it(client: redis.Redis) -> None:
    put(client, "a")
    path = client.connection_pool.connection_kwargs["path"]
    dies = (
        "import os, redis; from shared.broker.claim import claim\n"
        f"claim(redis.Redis(unix_socket_path={path!r}), ['scan']); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", dies], check=False).returncode == -signal.SIGKILL
    assert client.hkeys(keys.UNACKED) == [b"a"]
    assert client.zcard(keys.LEASES) == 1
    assert ids(client) == []
