"""Puts right what no queue can see: jobs that never reached the broker, and steps whose message was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from control.lost import LostSteps
from shared.errors import Infrastructure
from shared.ids import now
from shared.pipeline import submit
from shared.settings import settings
from shared.store import outbox
from shared.store.engine import reading

log = structlog.get_logger()

Repair = Callable[[], int]


def run(stop: threading.Event) -> None:
    """Reconcile every few seconds until `stop` is set."""
    repairs: list[Repair] = [publish, LostSteps()]
    while not stop.is_set():
        for repair in repairs:
            _attempt(repair)
        stop.wait(settings().reconcile_every_s)


def publish() -> int:
    """Publish the jobs that wait in the store for longer than they should. Returns how many."""
    with reading() as connection:
        waiting = outbox.unpublished(connection, now() - timedelta(seconds=settings().republish_after_s))
    if waiting:
        submit(waiting)
        log.info("reconciler.jobs.published", jobs=len(waiting))
    return len(waiting)


def _attempt(repair: Repair) -> None:
    """Make a repair; what goes wrong with one must not keep the others from being made."""
    try:
        repair()
    except Infrastructure as exc:
        log.warning("reconciler.skipped", error=exc.code, message=exc.message)
    except Exception:
        log.exception("reconciler.failed")  # the next round may fare better
