"""Gives places to jobs that are held back, because their organisation has as many at once as it may."""

from __future__ import annotations

import threading

import structlog

from shared.errors import Infrastructure
from shared.pipeline import submit
from shared.store import quotas
from shared.store.engine import reading, writing

log = structlog.get_logger()

EVERY_S = 0.5  # from the end of one job to the beginning of the next


def run(stop: threading.Event) -> None:
    """Look for free places until `stop` is set."""
    while not stop.is_set():
        try:
            give()
        except Infrastructure as exc:
            log.warning("places.skipped", error=exc.code, message=exc.message)
        stop.wait(EVERY_S)


def give() -> int:
    """Send the jobs for which there is a place now. Returns how many. Raises BrokerAway; the reconciler sends them."""
    with reading() as connection:
        waiting = quotas.holding(connection)
    given: list[str] = []
    for org_id in waiting:
        with writing(org_id) as connection:
            given += quotas.release(connection, org_id)
    submit(given)
    return len(given)
