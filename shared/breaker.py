"""A circuit breaker per host of somebody else: a host that keeps failing is left alone for a while, by all workers.

After `LIMIT` failures in a row it is open: nobody calls the host for `FIRST_S` seconds, twice as long each time, at
most `LONGEST_S`. Then one caller may try; its success closes the breaker, its failure opens it anew. The state lies in
Redis and forgets a host after `FORGET_S`. Without Redis everything is let through: this is politeness, not safety.
Each organisation has breakers of its own: one cannot keep another from a host, nor learn whom it calls.
"""

from __future__ import annotations

from typing import ClassVar

import redis
import structlog

from shared.broker.client import Script
from shared.broker.client import client as broker_client
from shared.errors import External

log = structlog.get_logger()

LIMIT = 5  # failures in a row
FIRST_S = 30.0
LONGEST_S = 600.0
FORGET_S = 3600
TRIAL_S = 60.0  # the one who tries has so long; then another may

# The hash: failures in a row, how often it opened, and until when (Redis TIME, seconds) nobody may call.
_ASK = Script("""
local now = redis.call('TIME')[1] + 0
local until_at = tonumber(redis.call('HGET', KEYS[1], 'until') or '0')
if until_at == 0 then return 0 end
if until_at > now then return until_at - now end
redis.call('HSET', KEYS[1], 'until', now + ARGV[1])
return 0
""")
_FAILED = Script("""
local now = redis.call('TIME')[1] + 0
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('EXPIRE', KEYS[1], ARGV[4])
if failures < tonumber(ARGV[1]) then return 0 end
local opened = redis.call('HINCRBY', KEYS[1], 'opened', 1)
local wait = math.min(tonumber(ARGV[2]) * 2 ^ math.min(opened - 1, 10), tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'until', now + wait)
return wait
""")


class HostPaused(External):
    """The host keeps failing, so it is left alone for now. Nothing was tried, and nothing is charged."""

    is_attempt: ClassVar[bool] = False


def check(org_id: str, host: str) -> None:
    """Let the caller through to `host`. Raises HostPaused."""
    if pause_s := wait_s(org_id, host):
        paused = HostPaused(f"{host} kept failing and is left alone for {pause_s:.0f} s.", cure="See to that host.")
        paused.retry_after_s = pause_s
        raise paused


def wait_s(org_id: str, host: str) -> float:
    """Return how long to leave `host` alone, 0 when it may be called now. Of many callers one is let through to try."""
    try:
        return float(_ASK.run(broker_client(), [_key(org_id, host)], [TRIAL_S]))
    except redis.RedisError as exc:
        log.warning("breaker.unknown", host=host, error=type(exc).__name__)
        return 0.0


def failed(org_id: str, host: str) -> None:
    """Note that a call of `host` failed for its sake."""
    try:
        opened_s = float(_FAILED.run(broker_client(), [_key(org_id, host)], [LIMIT, FIRST_S, LONGEST_S, FORGET_S]))
    except redis.RedisError as exc:
        log.warning("breaker.unknown", host=host, error=type(exc).__name__)
        return
    if opened_s:
        log.warning("breaker.opened", host=host, for_s=opened_s)


def succeeded(org_id: str, host: str) -> None:
    """Note that `host` answered well: whatever it did before is forgotten."""
    try:
        broker_client().delete(_key(org_id, host))
    except redis.RedisError as exc:
        log.warning("breaker.unknown", host=host, error=type(exc).__name__)


def _key(org_id: str, host: str) -> str:
    return f"breaker:{org_id}:{host.lower()[:255]}"
