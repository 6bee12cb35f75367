"""The workers, as their records say: each writes its own every two seconds (`shared.broker.presence`), as JSON of
`WorkerView`. Records of those that left are kept for a day, so that one can say when the last one left.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import redis
from pydantic import ValidationError

from shared.broker import keys
from shared.contracts.queues import WorkerView

LIVE_S = 10.0  # without a word for longer, a worker is gone: five records, and more than its lease
KEPT = timedelta(days=1)


def records(client: redis.Redis) -> list[WorkerView]:
    """Return what all workers last said, those that are gone too. Raises redis.RedisError."""
    return [read for _, read in _records(client)]


def is_live(worker: WorkerView, at: datetime) -> bool:
    """Whether the worker was heard of lately, at the time `at` by the clock of Redis."""
    return (at - worker.seen_at).total_seconds() < LIVE_S


def consuming(workers: Iterable[WorkerView], lane: str) -> list[WorkerView]:
    """Return those of the workers that take messages from a lane."""
    return [worker for worker in workers if lane in worker.queues]


def trim(client: redis.Redis, at: datetime) -> int:
    """Forget workers that left more than a day before `at`, and records that nobody can read; return how many."""
    kept = {name for name, read in _records(client) if at - read.seen_at < KEPT}
    old = [name for name in client.hkeys(keys.WORKERS) if name not in kept]
    return int(client.hdel(keys.WORKERS, *old)) if old else 0


def _records(client: redis.Redis) -> list[tuple[bytes | str, WorkerView]]:
    found = []
    for name, record in client.hgetall(keys.WORKERS).items():
        try:
            found.append((name, WorkerView.model_validate_json(record)))
        except ValidationError:
            continue
    return found
