"""What the doctor sees in the Redis of a running stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.text import clock
from vedette.stack.check import Check

if TYPE_CHECKING:
    from redis import Redis

REFUSALS = "signature:failures"  # hash in the broker's database: `shared.broker.keys.REFUSALS`
LAST_REFUSAL = "last"  # in it: `shared.broker.keys.LAST_REFUSAL`
ALARM_S = 24 * 3600.0  # how long one that could not be verified is a failure
TIMEOUT_S = 2.0
_WANTED = {"appendonly": "yes", "maxmemory-policy": "noeviction"}


def checks(url: str) -> Iterator[Check]:
    """Yield whether it keeps what it is given, and whether all messages in it were ours."""
    import redis  # noqa: PLC0415  a third of a second that only this check pays

    try:
        with redis.Redis.from_url(
            url, decode_responses=True, encoding_errors="replace", socket_timeout=TIMEOUT_S
        ) as client:
            yield _settings(client)
            yield _signatures(client)
    except redis.RedisError as exc:
        said = f"it does not answer: {type(exc).__name__}"
        yield Check("redis settings", False, said, "See why: vedette logs redis")


def _settings(client: Redis) -> Check:
    found = {name: client.config_get(name)[name] for name in _WANTED}
    wrong = {name: value for name, value in found.items() if value != _WANTED[name]}
    said = str(wrong) if wrong else "AOF on, noeviction"
    return Check("redis settings", not wrong, said, "Jobs may be lost: correct them.")


def _signatures(client: Redis) -> Check:
    """Tell of refusals. The numbers only grow, so that what fails is the time of the last one."""
    found = {str(reason): str(number) for reason, number in client.hgetall(REFUSALS).items()}
    last = found.pop(LAST_REFUSAL, "")
    if not found:
        return Check("signatures", True, "all messages were ours")
    said = ", ".join(f"{number} {reason}" for reason, number in sorted(found.items()))
    cure = "Somebody writes into Redis, or a master key was dropped too early: vedette dlq list --class security"
    at = _moment(last)
    if at is None:
        return Check("signatures", None, f"{said}; nobody knows when", cure)
    is_over = time.time() - at.timestamp() > ALARM_S
    return Check("signatures", is_over, f"{said}; the last {clock(at)}", cure)


def _moment(unix: str) -> datetime | None:
    """Return the moment of a unix time, None for what is none: whoever forges messages writes here too."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(int(unix), UTC)
    return None
