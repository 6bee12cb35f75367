"""kombu over our transport: nothing vanishes on the way in, out or back."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
import redis
from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import OperationalError

from shared import testing
from shared.broker import keys
from shared.broker.transport import Transport, install, together
from shared.contracts.dead_letter import Reason
from tests.shared.broker.conftest import connect, fill, ids, letters, message, put, waiting

SCAN = Queue("scan", Exchange("scan"), routing_key="scan")


def publish(connection: Connection, name: str, queue: str = "scan", **options: Any) -> None:
    headers = {"id": f"job-{name}.scan", "task": "scan.run"}
    connection.Producer().publish({}, exchange=queue, routing_key=queue, headers=headers, **options)


def consume(connection: Connection, count: int = 1, queue: Queue = SCAN, **options: Any) -> list[Any]:
    """Take `count` messages as a consumer does, without ending them."""
    taken: list[Any] = []
    consumer = Consumer(connection, [queue], on_message=taken.append, **options)
    with consumer:
        while len(taken) < count:
            connection.drain_events(timeout=10)
    return taken


@pytest.mark.parametrize("url", ["redis://h", "rediss://h", "redis+socket:///s?virtual_host=1"])
def test_every_url_of_redis_means_this_transport(url: str) -> None:
    install()
    assert Connection(url).get_transport_cls() is Transport


def test_a_published_message_is_consumed_and_acknowledged(connection: Connection, client: redis.Redis) -> None:
    start = time.time()
    publish(connection, "a", priority=6)
    assert start - 1 <= waiting(client)[0]["headers"][keys.QUEUED_AT] <= time.time() + 1
    [taken] = consume(connection)
    assert taken.headers["id"] == "job-a.scan"
    assert client.hlen(keys.UNACKED) == 1
    taken.ack()
    assert client.hlen(keys.UNACKED) == client.zcard(keys.LEASES) == 0


def test_many_are_consumed_in_their_order_by_several(server: testing.RedisServer, client: redis.Redis) -> None:
    names = [f"{n:02}" for n in range(30)]
    with connect(server) as one, connect(server) as other:
        for name in names:
            publish(one, name)
        taken = [[m.headers["id"] for m in consume(connection, 15)] for connection in (one, other)]
        assert [sorted(own) == own for own in taken] == [True, True]
        assert sorted(taken[0] + taken[1]) == [f"job-{name}.scan" for name in names]


def test_a_consumer_takes_no_more_than_it_may_hold(connection: Connection, client: redis.Redis) -> None:
    for name in "abc":
        publish(connection, name)
    taken: list[Any] = []
    with Consumer(connection, [SCAN], on_message=taken.append, prefetch_count=2):
        for _ in range(2):
            connection.drain_events(timeout=10)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.3)
        taken[0].ack()
        connection.drain_events(timeout=10)
    assert len(taken) == 3


def test_a_consumer_that_acknowledges_nothing_leaves_nothing(connection: Connection, client: redis.Redis) -> None:
    publish(connection, "a")
    publish(connection, "b")
    assert len(consume(connection, no_ack=True)) == 1
    assert SCAN(connection.default_channel).get(no_ack=True) is not None
    assert client.hlen(keys.UNACKED) == 0


def test_a_rejected_message_is_next_and_not_counted(connection: Connection, client: redis.Redis) -> None:
    for name in "ab":
        publish(connection, name)
    [taken] = consume(connection)
    taken.requeue()
    assert ids(client) == ["a", "b"]
    assert keys.DELIVERIES not in waiting(client)[0]["headers"]


def test_a_delivery_that_was_lost_is_counted(connection: Connection, client: redis.Redis) -> None:
    publish(connection, "a")
    [taken] = consume(connection)
    taken.channel.qos.requeue(taken.delivery_tag, counted=True, why="its child was killed")
    headers = waiting(client)[0]["headers"]
    assert (headers[keys.DELIVERIES], headers[keys.LAST_DEATH]) == (2, "its child was killed")


def test_a_dead_letter_is_moved_with_its_message(connection: Connection, client: redis.Redis) -> None:
    publish(connection, "a")
    [taken] = consume(connection)
    qos = taken.channel.qos
    assert qos.dead_letter(taken.delivery_tag, {"entry": "{}", "raw": b""})
    assert not qos.dead_letter(taken.delivery_tag, {"entry": "{}", "raw": b""})
    [letter] = letters(client)
    assert json.loads(letter["raw"])["headers"]["id"] == "job-a.scan"
    assert client.hlen(keys.UNACKED) == 0


def test_bindings_that_are_lost_lose_no_message(connection: Connection, client: redis.Redis) -> None:
    SCAN(connection.default_channel).declare()
    client.flushall()
    publish(connection, "a")
    assert ids(client) == ["a"]


def test_a_message_for_no_queue_is_a_dead_letter(connection: Connection, client: redis.Redis) -> None:
    connection.Producer().publish({}, exchange="scan", routing_key="elsewhere", headers={"id": "job-a.scan"})
    [letter] = letters(client)
    assert (letter["reason"], letter["task_id"]) == (Reason.UNDELIVERABLE, "job-a.scan")
    assert json.loads(letter["raw"])["headers"]["id"] == "job-a.scan"


@pytest.mark.parametrize("how", ["consume", "get"])
@pytest.mark.parametrize(
    "broken",
    [
        {"body": 5},
        {"body": "abcde", "properties": {**message("x")["properties"], "body_encoding": "base64"}},
        {"properties": {**message("x")["properties"], "body_encoding": "rot13"}},
        {"headers": [1]},
        {"headers": "text"},
    ],
    ids=str,
)
def test_what_kombu_cannot_read_is_a_dead_letter(
    connection: Connection, client: redis.Redis, broken: dict[str, Any], how: str
) -> None:
    client.lpush("scan", json.dumps({**message("x"), **broken}), json.dumps(message("good")))
    client.lpush(keys.wake("scan"), "1")
    taken = consume(connection, 1) if how == "consume" else [SCAN(connection.default_channel).get() for _ in range(2)]
    assert [found.delivery_tag for found in taken if found is not None] == ["good"]
    assert client.hkeys(keys.UNACKED) == [b"good"]
    [letter] = letters(client)
    assert (letter["reason"], json.loads(letter["raw"])) == (Reason.UNDECODABLE_ENVELOPE, {**message("x"), **broken})


def test_what_only_redis_can_read_is_a_dead_letter(connection: Connection, client: redis.Redis) -> None:
    raw = json.dumps(message("x")).encode().replace(b"scan.run", b"\xff\xfe")
    client.lpush("scan", raw)
    put(client, "good")
    client.lpush(keys.wake("scan"), "1")
    [taken] = consume(connection)
    assert taken.delivery_tag == "good"
    assert letters(client)[0]["raw"] == raw


def test_a_full_server_refuses_new_messages_and_serves_the_old(connection: Connection, client: redis.Redis) -> None:
    publish(connection, "a")
    fill(client)
    with pytest.raises(OperationalError):  # as when the broker is away: whoever publishes knows what to do then
        publish(connection, "b", retry=True, retry_policy={"max_retries": 1, "interval_start": 0})
    [taken] = consume(connection)
    taken.ack()
    assert (client.hlen(keys.UNACKED), ids(client)) == (0, [])


def test_a_full_server_lets_a_consumer_come(server: testing.RedisServer, client: redis.Redis) -> None:
    """Its queues are declared, and a worker that ended for that could not empty it."""
    put(client, "a")
    client.lpush(keys.wake("scan"), "1")
    fill(client)
    odd = Queue("odd", Exchange("other"), routing_key="odd")
    with connect(server) as connection:
        odd(connection.default_channel).declare()
        assert len(consume(connection)) == 1


def test_a_closed_connection_takes_nothing_more(server: testing.RedisServer, client: redis.Redis) -> None:
    connection = connect(server)
    consumer = Consumer(connection, [SCAN], on_message=lambda _: None)
    consumer.consume()
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.1)  # it sleeps, waiting for a token
    start = time.monotonic()
    put(client, "a")
    connection.close()
    assert time.monotonic() - start < 0.5
    assert ids(client) == ["a"]


def test_a_message_outlives_the_connection_that_brought_it(server: testing.RedisServer, client: redis.Redis) -> None:
    with connect(server) as connection:
        publish(connection, "a")
        [taken] = consume(connection)
    assert client.hlen(keys.UNACKED) == 1
    taken.ack()
    assert client.hlen(keys.UNACKED) == 0


def test_a_message_in_a_queue_that_expires_expires(connection: Connection, client: redis.Redis) -> None:
    queue = Queue("short", Exchange("short"), routing_key="short", expires=0.2)
    queue(connection.default_channel).declare()
    publish(connection, "a", "short")
    testing.wait_for(lambda: not client.exists("short", keys.wake("short")), "it expires", 5)


def test_what_is_published_together_is_sent_at_the_end_and_each_end_is_told(
    connection: Connection, client: redis.Redis
) -> None:
    producer = connection.Producer()
    with together(client) as ends:
        for name in "abc":
            headers = {"id": f"job-{name}.scan", "task": "scan.run"}
            producer.publish({}, exchange="scan", routing_key="scan", headers=headers)
        assert ids(client) == ends == []
    assert ends == [None] * 3
    assert sorted(ids(client)) == ["a", "b", "c"]
    assert [taken.headers["id"] for taken in consume(connection, 3)] == ["job-a.scan", "job-b.scan", "job-c.scan"]
    publish(connection, "d")
    assert ids(client) == ["d"]


def test_a_block_that_fails_sends_nothing_of_what_is_published_together(
    connection: Connection, client: redis.Redis
) -> None:
    producer = connection.Producer()
    with suppress(LookupError), together(client):
        producer.publish({}, exchange="scan", routing_key="scan", headers={"id": "a", "task": "scan.run"})
        raise LookupError
    assert ids(client) == []
    publish(connection, "b")
    assert ids(client) == ["b"]


def test_a_full_server_tells_of_each_message_that_it_refuses(connection: Connection, client: redis.Redis) -> None:
    producer = connection.Producer()
    publish(connection, "a")
    fill(client)
    with together(client) as ends:
        for _ in range(2):
            producer.publish({}, exchange="scan", routing_key="scan", headers={"id": "b", "task": "scan.run"})
    assert [isinstance(end, redis.ResponseError) and "maxmemory" in str(end) for end in ends] == [True] * 2
