"""The broker as the gateway uses it: imported late, and never waited for. Jobs are safe in the store without it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import structlog

from shared.errors import Infrastructure

if TYPE_CHECKING:
    from types import ModuleType

    from celery import Celery

log = structlog.get_logger()


@cache
def pipeline() -> ModuleType:
    """Return `shared.pipeline`, in a hurry. The first call imports Celery, which takes a second."""
    from shared import pipeline as found  # noqa: PLC0415

    found.hurry()
    return found


def replay() -> ModuleType:
    """Return `shared.replay`, which publishes as `pipeline` does."""
    pipeline()
    from shared import replay as found  # noqa: PLC0415

    return found


def intervention() -> ModuleType:
    """Return `shared.intervention`, which publishes as `pipeline` does."""
    pipeline()
    from shared import intervention as found  # noqa: PLC0415

    return found


def purge() -> ModuleType:
    """Return `shared.purge`, which publishes as `pipeline` does."""
    pipeline()
    from shared import purge as found  # noqa: PLC0415

    return found


def app() -> Celery:
    """Return the Celery app with this process's time-outs."""
    made: Celery = pipeline().app
    return made


def publish(ids: Sequence[str]) -> bool:
    """Publish committed jobs; return whether the broker took them. The reconciler sends them when it did not."""
    try:
        pipeline().submit(ids)
    except Infrastructure as exc:  # the broker away; or the store, when it was to note what the broker had taken
        log.warning("gateway.jobs.unpublished", error=exc.code, message=exc.message)
        return False
    return True


def ping() -> None:
    """Reach the broker. Raises what kombu raises when it is away."""
    with app().connection_for_write(connect_timeout=1) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
