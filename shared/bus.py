"""The event bus: FastStream over one Redis stream. Events are notifications; the timeline in the store is the truth.

Stages and routes are synchronous: `publish` writes the stream entry itself, after the commit, as the JSON envelope
that FastStream's default format reads (its own binary form could be read by FastStream alone). What an event says is
sealed; subscribers take `broker()` and open what comes by `opened`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import redis
import structlog

from shared import codec, telemetry
from shared.broker import silence
from shared.codec import Unsigned
from shared.contracts.events import Event
from shared.settings import settings

if TYPE_CHECKING:
    from faststream.redis import RedisBroker

log = structlog.get_logger()

STREAM = "vedette:events"
MAXLEN = 100_000  # events kept for slow readers, about 30 MB
TIMEOUT_S = 2.0  # an absent bus must not hold up a stage
_PURPOSE = "event"
_GONE = (redis.ConnectionError, redis.TimeoutError)


def publish(events: Sequence[Event]) -> None:
    """Tell the bus. A bus that is away is logged, never an error: the timeline has what matters."""
    if not events:
        return
    try:
        send([("XADD", STREAM, "MAXLEN", "~", MAXLEN, "*", "__data__", _message(event)) for event in events])
    except redis.RedisError as exc:
        log.warning("bus.publish.failed", events=len(events), error=type(exc).__name__)


def send(commands: Sequence[Sequence[str | int | bytes]]) -> None:
    """Send commands to the bus's Redis, and wait for no answer. Raises redis.RedisError, also for earlier ones."""
    with silence.heeded():
        _wire().send(commands)


def opened(body: Mapping[str, Any]) -> Event:
    """Return the event in a stream entry, as FastStream hands it over.

    Raises codec.Unsigned, codec.BadSignature or keyring.StaleKey where this installation has not written it so, and
    pydantic.ValidationError.
    """
    org_id, sealed = body.get("org"), body.get("sealed")
    if not isinstance(org_id, str) or not isinstance(sealed, str):
        raise Unsigned("The event is not sealed.")
    return Event.model_validate_json(codec.unseal_text(_PURPOSE, sealed, org_id))


class Wire:
    """A connection that does not wait for answers: those to one message are read before the next is sent.

    A stage has nothing to learn from them, and waiting for two would be a fifth of what a small stage costs.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._connection = client.connection_pool.get_connection()
        self._unread = 0
        self._lock = threading.Lock()

    def send(self, commands: Sequence[Sequence[str | int | bytes]]) -> None:
        """Send commands. Raises redis.RedisError, also for what was wrong with earlier ones."""
        with self._lock:
            try:
                self._read()
            except _GONE:  # the server restarted meanwhile: these commands deserve a new connection
                self._drop()
            try:
                packed = b"".join(self._connection.pack_commands(commands))  # type: ignore[no-untyped-call]
                self._connection.send_packed_command([packed])  # type: ignore[no-untyped-call]
                self._unread = len(commands)
            except _GONE:
                self._drop()
                raise

    def _read(self) -> None:
        while self._unread:
            self._unread -= 1
            self._connection.read_response()

    def _drop(self) -> None:
        self._connection.disconnect()  # type: ignore[no-untyped-call]
        self._unread = 0


@cache
def client() -> redis.Redis:
    """Return this process's synchronous client of the bus."""
    wait_s = silence.timeout_s(TIMEOUT_S)
    return redis.Redis.from_url(settings().bus_url, socket_timeout=wait_s, socket_connect_timeout=wait_s)


@cache
def _wire() -> Wire:
    return Wire(client())


def forget() -> None:
    """Drop an inherited client: a socket must not be shared with the parent process."""
    client.cache_clear()
    _wire.cache_clear()


def broker() -> RedisBroker:
    """Return a FastStream broker for the same stream. Importing FastStream takes half a second, so only users pay."""
    from faststream.redis import RedisBroker  # noqa: PLC0415

    return RedisBroker(settings().bus_url, log_level=logging.DEBUG)


def _message(event: Event) -> str:
    fields = event.model_dump(mode="json")
    fields["trace_id"] = event.trace_id or telemetry.trace_id()
    sealed = codec.seal_text(_PURPOSE, json.dumps(fields), event.org_id)
    headers = {"content-type": "application/json", "correlation_id": f"{event.job_id}-{event.id}"}
    return json.dumps({"data": json.dumps({"org": event.org_id, "sealed": sealed}), "headers": headers})
