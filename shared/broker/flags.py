"""Jobs that are to stop: flags that stages look at between two probes."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis

from shared.broker import keys

KEPT_S = 24 * 3600.0  # longer than any stage runs


def flag(client: redis.Redis, ids: Sequence[str]) -> None:
    """Flag jobs, and forget the flags of yesterday. Raises redis.RedisError."""
    if ids:
        now = time.time()
        pipe = client.pipeline()
        pipe.zadd(keys.CANCELLED, dict.fromkeys(ids, now))
        pipe.zremrangebyscore(keys.CANCELLED, "-inf", now - KEPT_S)
        pipe.execute()


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
