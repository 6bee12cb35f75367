"""A held message ends once and in one way, on a full server too."""

from __future__ import annotations

import json
import time

import pytest
import redis

from shared.broker import keys
from shared.broker.holding import acknowledge, bury, is_held, put_back, renew
from shared.broker.message import MAX_DELIVERIES
from shared.contracts.dead_letter import MAX_RAW
from tests.shared.broker.conftest import fill, ids, letters, message, put, take, waiting


def hold(client: redis.Redis, *names: str, **headers: object) -> None:
    put(client, *names, **headers)
    for _ in names:
        assert take(client) is not None


def untouched(client: redis.Redis) -> bool:
    """Whether nothing is held, by neither of its keys."""
    return client.hlen(keys.UNACKED) == client.zcard(keys.LEASES) == 0


def test_an_acknowledged_message_is_gone_and_only_once(client: redis.Redis) -> None:
    hold(client, "a")
    assert acknowledge(client, "a")
    assert not acknowledge(client, "a")
    assert untouched(client)


def test_a_message_is_held_until_it_ends(client: redis.Redis) -> None:
    hold(client, "a")
    assert is_held(client, "a")
    acknowledge(client, "a")
    assert not is_held(client, "a")


def test_a_renewal_tells_what_was_lost(client: redis.Redis) -> None:
    hold(client, "a", "b")
    client.zadd(keys.LEASES, {"a": 1.0, "b": 1.0})
    assert renew(client, ["a", "gone"]) == {"gone"}
    assert client.zscore(keys.LEASES, "a") > time.time() - 5
    assert client.zscore(keys.LEASES, "b") == 1.0
    assert renew(client, []) == set()


def test_a_dead_letter_takes_its_message_along(client: redis.Redis) -> None:
    hold(client, "a", text='quotes ",""," and ]')
    fields = {"entry": '{"reason": "poison"}', "raw": b"", "number": 5}
    assert bury(client, "a", fields)
    assert not bury(client, "a", fields)
    assert untouched(client)
    [(_, stored)] = client.xrange(keys.DEAD_LETTERS)
    assert json.loads(stored[b"raw"]) == message("a", text='quotes ",""," and ]')
    assert stored[b"number"] == b"5"


def test_a_dead_letter_keeps_what_it_was_given(client: redis.Redis) -> None:
    hold(client, "a")
    assert bury(client, "a", {"entry": "{}", "raw": b"\x00\xff"})
    assert letters(client)[0]["raw"] == b"\x00\xff"


def test_a_large_message_is_kept_up_to_the_limit(client: redis.Redis) -> None:
    hold(client, "a", text="x" * (MAX_RAW - 1000))
    assert bury(client, "a", {"entry": "{}", "raw": ""})
    assert MAX_RAW - 1000 < len(letters(client)[0]["raw"]) <= MAX_RAW


def test_what_is_given_back_or_lost_once_is_next(client: redis.Redis) -> None:
    hold(client, "lost", "returned", priority=6)
    put(client, "other", priority=6)
    assert put_back(client, "lost", counted=True, why="killed")
    assert put_back(client, "returned", counted=False)
    assert ids(client) == ["returned", "lost", "other"]
    assert untouched(client)
    returned, lost, _ = waiting(client)
    assert (returned["headers"].get(keys.DELIVERIES), returned["headers"]["redelivered"]) == (None, True)
    assert (lost["headers"][keys.DELIVERIES], lost["headers"][keys.LAST_DEATH]) == (2, "killed")
    assert client.llen(keys.wake("scan")) == 1


def test_what_is_lost_again_goes_behind_the_others(client: redis.Redis) -> None:
    put(client, "lost", priority=6, **{keys.DELIVERIES: 2})
    taken = take(client)
    assert taken is not None
    put(client, "other", priority=6)
    assert put_back(client, taken.tag, counted=True, why="killed")
    assert ids(client) == ["other", "lost"]
    assert waiting(client)[1]["headers"][keys.DELIVERIES] == 3
    assert client.llen(keys.wake("scan")) == 1


def test_whoever_lost_a_message_can_end_it_no_more(client: redis.Redis) -> None:
    hold(client, "a")
    assert put_back(client, "a", counted=True)
    again = take(client)
    assert again is not None
    assert not acknowledge(client, "a")
    assert not bury(client, "a", {"entry": "{}"})
    assert not put_back(client, "a", counted=True)
    assert client.hkeys(keys.UNACKED) == [again.tag.encode()]


def test_a_message_comes_back_to_the_lane_that_it_was_taken_from(client: redis.Redis) -> None:
    """Whatever it says of itself: the queue it names may be one that nobody serves."""
    put(client, "a", lane="scan.heavy", priority=3)
    assert take(client, "scan.heavy") is not None
    assert put_back(client, "a", counted=False)
    assert client.llen(keys.waiting("scan.heavy", 3)) == 1


def test_a_message_is_delivered_four_times_and_then_poison(client: redis.Redis) -> None:
    put(client, "a", replay="x", **{keys.REPLAY_OF: "d-1"})
    for number in range(1, MAX_DELIVERIES + 1):
        taken = take(client)
        assert taken is not None
        assert put_back(client, taken.tag, counted=True, why=f"death {number}")
    assert take(client) is None
    assert untouched(client)
    [letter] = letters(client)
    assert (letter["reason"], letter["failure_class"], letter["deliveries"]) == ("poison", "resource", MAX_DELIVERIES)
    assert (letter["task_id"], letter["queue"], letter["replay_of"]) == ("job-a.scan", "scan", "d-1")
    assert f"death {MAX_DELIVERIES}" in letter["error"]["message"]
    assert json.loads(letter["raw"])["headers"]["id"] == "job-a.scan"


def test_a_forged_message_whose_deliveries_were_lost_ends_the_step_of_no_job(client: redis.Redis) -> None:
    """Who can write into a queue can have a message given up whose owner nobody has looked at yet."""
    put(client, "a", **{keys.DELIVERIES: MAX_DELIVERIES})
    [raw] = waiting(client)
    client.delete(*keys.lists("scan"))
    client.lpush("scan", json.dumps({**raw, "headers": {**raw["headers"], "retries": 99}}))
    taken = take(client)
    assert taken is not None
    assert put_back(client, taken.tag, counted=True, why="killed")
    [letter] = letters(client)
    assert (letter["reason"], letter["failure_class"]) == ("bad-signature", "security")
    assert (letter["queue"], letter.get("job_id"), letter.get("stage")) == ("scan", None, None)
    assert json.loads(letter["raw"])["headers"]["retries"] == 99
    assert untouched(client)


def test_a_message_whose_time_is_to_come_is_not_counted(client: redis.Redis) -> None:
    hold(client, "a", eta="2999-01-01T00:00:00+00:00")
    assert put_back(client, "a", counted=True)
    assert keys.DELIVERIES not in waiting(client)[0]["headers"]


@pytest.mark.parametrize("score", ["1.5", "-1"])
def test_a_lease_that_was_renewed_meanwhile_protects(client: redis.Redis, score: str) -> None:
    hold(client, "a")
    assert not put_back(client, "a", counted=True, score=score)
    assert not bury(client, "a", {"entry": "{}"}, score)
    assert client.hlen(keys.UNACKED) == client.zcard(keys.LEASES) == 1


def test_the_exact_lease_that_was_seen_does_not(client: redis.Redis) -> None:
    hold(client, "a")
    [(_, score)] = client.zrange(keys.LEASES, 0, -1, withscores=True)
    assert put_back(client, "a", counted=True, score=repr(score))


def test_a_held_entry_that_cannot_be_read_is_a_dead_letter(client: redis.Redis) -> None:
    client.hset(keys.UNACKED, "a", b"\xff no json")
    client.zadd(keys.LEASES, {"a": 1})
    assert put_back(client, "a", counted=True)
    assert letters(client)[0]["raw"] == b"\xff no json"
    assert untouched(client)


def test_a_lease_without_a_message_goes(client: redis.Redis) -> None:
    client.zadd(keys.LEASES, {"a": 1})
    assert not put_back(client, "a", counted=True)
    assert untouched(client)


def test_a_full_server_still_lets_messages_end(client: redis.Redis) -> None:
    hold(client, "a", "b", "c", "d")
    fill(client)
    assert renew(client, ["a"]) == set()
    assert acknowledge(client, "a")
    assert bury(client, "b", {"entry": "{}", "raw": b""})
    assert put_back(client, "c", counted=True)
    assert put_back(client, "d", counted=False)
    assert untouched(client)
    assert ids(client) == ["d", "c"]
    assert len(letters(client)) == 1
