"""What a dead worker held is in its queue again, and nothing else is touched."""

from __future__ import annotations

import redis

from shared.broker import keys
from shared.broker.reclaim import reclaim
from tests.shared.broker.conftest import ids, put, take, waiting


def test_held_messages_of_the_named_lanes_come_back_once_and_count(client: redis.Redis) -> None:
    put(client, "a")
    put(client, "b", lane="report")
    assert take(client) is not None
    assert take(client, "report") is not None
    client.hset(keys.UNACKED, "odd", "no message")
    assert reclaim(client, ["scan"]) == 1
    assert reclaim(client, ["scan"]) == 0
    assert (ids(client), ids(client, "report")) == (["a"], [])
    assert waiting(client)[0]["headers"][keys.DELIVERIES] == 2
    assert set(client.hkeys(keys.UNACKED)) == {b"b", b"odd"}
