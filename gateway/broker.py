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

# Workers wait for a broker that is away; whoever submits a job must not. Seconds.
_IMPATIENT = {
    "connect_retries_timeout": 0.3,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.2,
    "socket_connect_timeout": 1.0,
    "socket_timeout": 2.0,
}


@cache
def app() -> Celery:
    """Return the Celery app with this process's time-outs. The first call imports Celery, which takes a second."""
    from shared.queue import app as made  # noqa: PLC0415

    made.conf.broker_transport_options = {**made.conf.broker_transport_options, **_IMPATIENT}
    return made


@cache
def pipeline() -> ModuleType:
    """Return `shared.pipeline`, on top of `app`."""
    app()
    from shared import pipeline as found  # noqa: PLC0415

    return found


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
