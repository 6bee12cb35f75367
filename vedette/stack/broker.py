"""What the doctor sees in the Redis of a running stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vedette.stack.check import Check

if TYPE_CHECKING:
    from redis import Redis

REFUSALS = "signature:failures"  # hash in the broker's database: `shared.broker.keys.REFUSALS`
TIMEOUT_S = 2.0
_WANTED = {"appendonly": "yes", "maxmemory-policy": "noeviction"}


def checks(url: str) -> Iterator[Check]:
    """Yield whether it keeps what it is given, and whether all messages in it were ours."""
    import redis  # noqa: PLC0415  a third of a second that only this check pays

    try:
        with redis.Redis.from_url(url, decode_responses=True, socket_timeout=TIMEOUT_S) as client:
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
    found = {str(reason): str(number) for reason, number in client.hgetall(REFUSALS).items()}
    said = ", ".join(f"{number} {reason}" for reason, number in sorted(found.items()))
    cure = "Somebody writes into Redis, or a master key was dropped too early: vedette dlq list --class security"
    return Check("signatures", not found, said or "all messages were ours", cure)
