"""kombu's Redis transport, made to lose nothing: atomic claims, leases, counted deliveries, dead letters.

What it relies on in kombu is named in tests/shared/broker/test_contract.py. Why: docs/decisions/0014.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from queue import Empty
from typing import Any

import redis
import structlog
from kombu import transport as transports
from kombu.transport import redis as stock
from kombu.transport import virtual

from shared import dlq
from shared.broker import client as broker_client
from shared.broker import keys
from shared.broker.claim import Claimed, claim
from shared.broker.client import Script
from shared.broker.lease import Leases, leases
from shared.broker.message import undecodable
from shared.broker.qos import Malformed, Message, QoS
from shared.contracts.dead_letter import DeadLetterEntry, ErrorDetail, Reason
from shared.errors import FailureClass

log = structlog.get_logger()

_StockChannel: Any = stock.Channel

UNDELIVERABLE = "undeliverable"  # not a list: what is put there becomes a dead letter

_PUT = Script("""
redis.call('LPUSH', KEYS[1], ARGV[1])
if redis.call('LLEN', KEYS[2]) == 0 then redis.call('LPUSH', KEYS[2], '1') end
""")


_held = threading.local()  # `puts`: what this thread publishes together


@contextmanager
def together(client: redis.Redis) -> Iterator[list[Exception | None]]:
    """Send what this thread publishes in the block at its end, in one round trip: waiting for each is most of its cost.

    The list then says in their order how each ended. A block that raises sends nothing. Raises redis.RedisError when
    the server is away. kombu's own batches would bypass our `_put`, and a chain of Celery picks its producer itself.
    """
    ends: list[Exception | None] = []
    outer, _held.puts = getattr(_held, "puts", None), []
    try:
        yield ends
        puts = _held.puts
    finally:
        _held.puts = outer
    if puts:
        pipe = client.pipeline(transaction=False)
        _PUT.load(pipe)
        for place, raw in puts:
            _PUT.add(pipe, place, [raw])
        answers = pipe.execute(raise_on_error=False)
        ends += [answer if isinstance(answer, Exception) else None for answer in answers[1:]]


class Channel(_StockChannel):  # type: ignore[misc]  # its stubs lack half of it
    QoS = QoS
    Message = Message
    lease_s = 8.0
    _in_poll: Any
    priority_steps = list(keys.STEPS)
    sep = keys.SEPARATOR
    supports_batch_publish = False  # its commands would bypass `_put`
    from_transport_options = (*stock.Channel.from_transport_options, "lease_s")

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  kombu's signature
        self._not_acknowledged: set[str] = set()  # queues whose consumers acknowledge nothing
        self._consumes = False
        self._polled: list[str] = []
        super().__init__(*args, **kwargs)

    @cached_property
    def leases(self) -> Leases:
        """What this process holds of this broker, whichever channel brought it."""
        parameters = {name: value for name, value in self._connparams().items() if value is not None}
        place = tuple(parameters.get(name) for name in ("host", "port", "path", "db", "username"))
        return leases(place, lambda: broker_client.connect(parameters), self.lease_s)

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if no_ack:
            self._not_acknowledged.add(queue)
        if not self._consumes:
            self._consumes = True
            self.leases.consume(begins=True)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> virtual.Message | None:  # noqa: ANN401
        try:
            message: virtual.Message | None = super().basic_get(queue, no_ack=no_ack, **kwargs)
        except Malformed as exc:
            self._bury(exc.tag, queue, exc)
            return None
        if no_ack and message is not None:
            self.leases.acknowledge(str(message.delivery_tag))
        return message

    def close(self) -> None:
        if self._in_poll:  # kombu would wait for its answer; a token is no loss
            self.client.connection.disconnect()
            self._in_poll = None
        if self._consumes:
            self._consumes = False
            self.leases.consume(begins=False)
        super().close()

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        """Our exchanges are named as their queues, so no binding has to be looked up, and none can get lost."""
        if exchange == routing_key:
            return [routing_key]
        found = list(super()._lookup(exchange, routing_key, default))
        is_reply = exchange.startswith("reply.")  # of remote control; whoever asked is gone
        return found or ([UNDELIVERABLE] if self.typeof(exchange).type == "direct" and not is_reply else [])

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        if not exchange == routing_key == queue:
            try:
                super()._queue_bind(exchange, routing_key, pattern, queue)
            except redis.ResponseError as exc:  # a full server; a worker that ended for it could not empty it
                log.warning("broker.binding.refused", exchange=exchange, error=str(exc)[:200])

    def _size(self, queue: str) -> int:
        """Not in a transaction, which a full server refuses whatever is in it; a worker asks this when it starts."""
        with self.conn_or_acquire() as client:
            pipe = client.pipeline(transaction=False)
            for name in keys.lists(queue):
                pipe.llen(name)
            return sum(pipe.execute())

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401  kombu's signature
        del kwargs
        message["headers"].setdefault(keys.QUEUED_AT, time.time())
        raw = json.dumps(message)
        with self.conn_or_acquire() as client:
            if queue == UNDELIVERABLE:
                client.xadd(keys.DEAD_LETTERS, dict(dlq.fields(_undeliverable(message), raw.encode())))
                return
            place = keys.waiting(queue, self._get_message_priority(message)), keys.wake(queue)
            if (held := getattr(_held, "puts", None)) is not None and queue not in self._expires:
                held.append((place, raw))
                return
            _PUT.run(client, place, [raw])
            if queue in self._expires:
                for name in (*keys.lists(queue), keys.wake(queue)):
                    client.pexpire(name, self._expires[queue])

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        del timeout
        claimed = claim(self.leases.client, keys.lists(queue))
        if claimed is None:
            raise Empty
        return self._payload(claimed)

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Sleep until something may wait. Nothing is taken by this, so nothing is lost with its answer."""
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        connection = self.client.connection
        self._polled = [keys.waiting(queue, step) for step in keys.STEPS for queue in queues]
        self._in_poll = connection
        self._brpop_sent_at = time.monotonic()
        wait_s = self.brpop_timeout if timeout is None else timeout
        connection.send_command("BRPOP", *(keys.wake(queue) for queue in queues), wait_s or 0)

    def _brpop_read(self, **options: Any) -> bool:  # noqa: ANN401  kombu's signature
        try:
            claimed = self._claim(**options)
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if claimed is None:
            raise Empty
        payload = self._payload(claimed)
        self._queue_cycle.rotate(claimed.lane)
        if claimed.lane in self._not_acknowledged:
            self.leases.acknowledge(claimed.tag)
        try:
            self.connection._deliver(payload, claimed.lane)
        except Malformed as exc:
            self._bury(claimed.tag, claimed.lane, exc)
        return True

    def _claim(self, **options: Any) -> Claimed | None:  # noqa: ANN401
        try:
            self.client.parse_response(self.client.connection, "BRPOP", **options)
            return claim(self.leases.client, self._polled)
        except self.connection_errors:
            self.client.connection.disconnect()  # so that the next poll connects anew
            raise
        except redis.ResponseError as exc:  # Celery's main process would end for it
            log.warning("broker.claim.refused", error=str(exc)[:200])
            return None

    def _payload(self, claimed: Claimed) -> dict[str, Any]:
        """Return the message that was claimed. Raises Empty where Python cannot read it."""
        try:
            payload: dict[str, Any] = json.loads(claimed.raw)
        except (ValueError, RecursionError) as exc:  # Redis reads a little more than Python
            self._bury(claimed.tag, claimed.lane, exc)
            raise Empty from exc
        return payload

    def _bury(self, tag: str, lane: str, exc: Exception) -> None:
        log.warning("broker.message.undecodable", queue=lane, error=type(exc).__name__)
        self.leases.dead_letter(tag, dlq.fields(undecodable(lane, str(exc)[:500], type(exc).__name__), b""))


class Transport(stock.Transport):
    Channel = Channel
    supports_batch_publish = False


def install() -> None:
    """Have every URL of Redis mean this transport, in this process.

    kombu takes the transport from the URL: for `redis+socket://` it ignores the setting `broker_transport`, and for
    `rediss://` it would forget TLS.
    """
    for scheme in ("redis", "rediss"):
        transports.TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
        vars(transports)["_transport_cache"].pop(scheme, None)


def _undeliverable(message: dict[str, Any]) -> DeadLetterEntry:
    info, headers = message["properties"]["delivery_info"], message["headers"]
    return DeadLetterEntry(
        reason=Reason.UNDELIVERABLE,
        failure_class=FailureClass.PERMANENT,
        rule="routing",
        queue=str(info.get("routing_key") or ""),
        task=str(headers.get("task") or ""),
        task_id=str(headers.get("id") or ""),
        error=ErrorDetail(message=f"No queue is bound to {info.get('exchange')!r} by {info.get('routing_key')!r}."),
    )
