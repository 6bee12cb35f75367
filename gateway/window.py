"""How often something happened lately: a moving window in Redis, or in this process while Redis is away."""

from __future__ import annotations

import time
from functools import lru_cache

import structlog
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import ConnectionPool
from redis.exceptions import RedisError

from shared.settings import settings

log = structlog.get_logger()

AWAY_S = 5.0  # so long Redis is not asked again
TIMEOUT_S = 0.2  # to connect, and for an answer


class Windows:
    """Counts in moving windows. A Redis that is away costs exactness, and is no error."""

    def __init__(self) -> None:
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    def hit(self, limit: RateLimitItem, *what: str) -> bool:
        """Count one more; return whether it is within the limit."""
        if time.monotonic() >= self._away_until:
            try:
                return self._shared().hit(limit, *what)
            except (RedisError, OSError) as exc:
                self._away(exc)
        return self._here.hit(limit, *what)

    def left(self, limit: RateLimitItem, *what: str) -> tuple[int, float]:
        """Return how many more are within the limit, and in how many seconds the oldest no longer counts."""
        if time.monotonic() >= self._away_until:
            try:
                stats = self._shared().get_window_stats(limit, *what)
                return stats.remaining, max(0.0, stats.reset_time - time.time())
            except (RedisError, OSError) as exc:
                self._away(exc)
        stats = self._here.get_window_stats(limit, *what)
        return stats.remaining, max(0.0, stats.reset_time - time.time())

    def clear(self, limit: RateLimitItem, *what: str) -> None:
        """Forget what was counted."""
        self._here.clear(limit, *what)
        if time.monotonic() >= self._away_until:
            try:
                self._shared().clear(limit, *what)
            except (RedisError, OSError) as exc:
                self._away(exc)

    def _shared(self) -> MovingWindowRateLimiter:
        return _limiter(settings().bus_url)

    def _away(self, exc: Exception) -> None:
        self._away_until = time.monotonic() + AWAY_S
        log.warning("gateway.window.redis_away", error=type(exc).__name__)


@lru_cache(4)
def _limiter(url: str) -> MovingWindowRateLimiter:
    # Neither the patience nor the retries of the bus: every request waits for this.
    pool = ConnectionPool.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=None)
    return MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix="vedette:window"))
