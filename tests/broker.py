"""The Celery app of this process, pointed at the broker of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from shared.contracts.lanes import LANES, PRIORITIES
from shared.pipeline import hurry
from shared.queue import app
from shared.settings import settings


@contextmanager
def pointed() -> Iterator[None]:
    """Have the app publish to the broker that the settings name, for the block."""
    url, options = app.conf.broker_url, app.conf.broker_transport_options
    hurry()
    _point(settings().broker_url, app.conf.broker_transport_options)
    try:
        yield
    finally:
        _point(url, options)


def waiting(client: redis.Redis) -> int:
    """Messages that wait in any queue. `client` speaks to the broker's database."""
    names = [f"{lane}\x06\x16{step}" for lanes in LANES.values() for lane in lanes for step in PRIORITIES.values()]
    names += [lane for lanes in LANES.values() for lane in lanes]
    return sum(int(client.llen(name)) for name in names)


def _point(url: str, options: dict[str, Any]) -> None:
    app.conf.update(broker_url=url, broker_transport_options=options)
    app._after_fork()  # type: ignore[attr-defined]
