"""The Celery app of this process, pointed at the broker of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from shared.queue import LANES, PRIORITIES, app
from shared.settings import settings


@contextmanager
def pointed() -> Iterator[None]:
    """Have the app publish to the broker that the settings name, for the block."""
    before = app.conf.broker_url
    _point(settings().broker_url)
    try:
        yield
    finally:
        _point(before)


def waiting(client: redis.Redis) -> int:
    """Messages that wait in any queue. `client` speaks to the broker's database."""
    names = [f"{lane}\x06\x16{step}" for lanes in LANES.values() for lane in lanes for step in PRIORITIES.values()]
    names += [lane for lanes in LANES.values() for lane in lanes]
    return sum(int(client.llen(name)) for name in names)  # type: ignore[arg-type]  redis-py also types the async answer


def _point(url: str) -> None:
    app.conf.broker_url = url
    app._after_fork()
