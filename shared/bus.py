"""The event bus: FastStream over one Redis stream. Events are notifications; the timeline in the store is the truth.

Stages and routes are synchronous: `publish` writes the stream entry itself, after the commit, as the JSON envelope
that FastStream's default format reads (its own binary form could be read by FastStream alone).
Subscribers take `broker()`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import redis
import structlog

from shared import telemetry
from shared.contracts.events import Event
from shared.settings import settings

if TYPE_CHECKING:
    from faststream.redis import RedisBroker

log = structlog.get_logger()

STREAM = "vedette:events"
MAXLEN = 100_000  # events kept for slow readers, about 30 MB
TIMEOUT_S = 2.0  # an absent bus must not hold up a stage


def publish(events: Sequence[Event]) -> None:
    """Tell the bus. A bus that is away is logged, never an error: the timeline has what matters."""
    if not events:
        return
    try:
        if len(events) == 1:  # most are alone, and a pipeline costs as much again
            client().xadd(STREAM, {"__data__": _message(events[0])}, maxlen=MAXLEN)
            return
        with client().pipeline(transaction=False) as pipe:
            for event in events:
                pipe.xadd(STREAM, {"__data__": _message(event)}, maxlen=MAXLEN)
            pipe.execute()
    except redis.RedisError as exc:
        log.warning("bus.publish.failed", events=len(events), error=type(exc).__name__)


@cache
def client() -> redis.Redis:
    """Return this process's synchronous client of the bus."""
    timeouts = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
    return redis.Redis.from_url(settings().bus_url, health_check_interval=15, **timeouts)


def forget() -> None:
    """Drop an inherited client: a socket must not be shared with the parent process."""
    client.cache_clear()


def broker() -> RedisBroker:
    """Return a FastStream broker for the same stream. Importing FastStream takes half a second, so only users pay."""
    from faststream.redis import RedisBroker  # noqa: PLC0415

    return RedisBroker(settings().bus_url, log_level=logging.DEBUG)


def _message(event: Event) -> str:
    event = event if event.trace_id else event.model_copy(update={"trace_id": telemetry.trace_id()})
    headers = {"content-type": "application/json", "correlation_id": f"{event.job_id}-{event.id}"}
    return json.dumps({"data": event.model_dump_json(), "headers": headers})
