"""Messages of workers that died, given back to their queues.

A message comes back when its lease has run out and stays unrenewed for a while longer. A Redis that was frozen or
restarted finds all leases too old at once; those who hold messages then renew them first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import redis
import structlog

from shared.broker import keys
from shared.broker.client import Script
from shared.broker.holding import put_back
from shared.broker.message import Silence

log = structlog.get_logger()

AT_ONCE = 100  # messages that one look gives back

# A message without a lease (of an older version, or made by hand) gets one; a lease without a message is removed.
_EXPIRED = Script("""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if redis.call('HLEN', KEYS[1]) ~= redis.call('ZCARD', KEYS[2]) then
  redis.call('ZREM', KEYS[2], '')
  for _, tag in ipairs(redis.call('HKEYS', KEYS[1])) do redis.call('ZADD', KEYS[2], 'NX', now, tag) end
  for _, tag in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if redis.call('HEXISTS', KEYS[1], tag) == 0 then redis.call('ZREM', KEYS[2], tag) end
  end
end
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
""")


@dataclass(frozen=True)
class _Sight:
    score: str
    at: float  # monotonic


class Sweep:
    """Looks for leases that have run out. Every worker has one; which of them gives a message back does not matter."""

    def __init__(self, client: redis.Redis, lease_s: float) -> None:
        self._client = client
        self._lease_s = lease_s
        self._seen: dict[str, _Sight] = {}

    def look(self) -> int:
        """Give back what was seen expired before, with the same lease, at least `lease_s` / 3 ago. Returns how many.

        To be called several times in that span. Raises redis.RedisError.
        """
        flat = _EXPIRED.run(self._client, [keys.UNACKED, keys.LEASES], [self._lease_s, AT_ONCE])
        now, before, self._seen = time.monotonic(), self._seen, {}
        given_back = 0
        texts = [each.decode(errors="replace") for each in flat]
        for tag, score in zip(texts[::2], texts[1::2], strict=True):
            sight = before.get(tag)
            if sight is None or sight.score != score:
                self._seen[tag] = _Sight(score, now)
            elif now - sight.at < self._lease_s / 3:
                self._seen[tag] = sight
            else:
                given_back += self._give_back(tag, score)
        if given_back:
            log.warning("broker.leases.expired", messages=given_back)
        return given_back

    def _give_back(self, tag: str, score: str) -> bool:
        """Give one message back. One that cannot be must not keep the others from coming back."""
        try:
            return put_back(self._client, tag, counted=True, why=Silence.EXPIRED, score=score)
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            raise
        except Exception as exc:  # noqa: BLE001  it stays where it is, and is tried again
            log.warning("broker.message.stuck", tag=tag[:200], error=type(exc).__name__, message=str(exc)[:200])
            return False
