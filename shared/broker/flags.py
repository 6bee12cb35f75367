"""Jobs that are to stop: flags that stages look at between two probes."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from shared.broker import keys
from shared.broker.client import Script

KEPT_S = 24 * 3600.0  # longer than any stage runs

# Also on a full server: see Script.
_FLAG = Script("""
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now, ARGV[i]) end
""")


def flag(client: redis.Redis, ids: Sequence[str]) -> None:
    """Flag jobs, and forget the flags of yesterday. Raises redis.RedisError."""
    if ids:
        _FLAG.run(client, [keys.CANCELLED], [KEPT_S, *ids])


def flagged(client: redis.Redis, ids: Sequence[str]) -> set[str]:
    """Return those of the jobs that are flagged."""
    if not ids:
        return set()
    scores = client.zmscore(keys.CANCELLED, list(ids))
    return {job_id for job_id, score in zip(ids, scores, strict=True) if score is not None}


def clear(client: redis.Redis, ids: Sequence[str]) -> None:
    """Take the flags of jobs away, before they run again."""
    if ids:
        client.zrem(keys.CANCELLED, *ids)
