"""Puts right what no queue can see, and says so in the timeline of each job.

Jobs that never reached the broker are published, scheduled ones when they are due; `control.lost` sends steps again
whose message was lost, `control.cancelling` ends what a lost worker cannot; records of workers that left are trimmed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from control.cancelling import Abandoned
from control.lost import LostSteps
from shared import bus
from shared.broker import presence
from shared.broker.client import answering
from shared.errors import Infrastructure
from shared.ids import now
from shared.pipeline import submit
from shared.settings import settings
from shared.store import outbox, repairs
from shared.store.engine import reading, writing

log = structlog.get_logger()

TRIM_EVERY_S = 60.0
_WHY = "it was in the database, but its message had not reached the broker"

Repair = Callable[[], int]


def run(stop: threading.Event) -> None:
    """Reconcile every few seconds until `stop` is set."""
    rounds: list[Repair] = [queue_due, publish, LostSteps(), Abandoned(), Trim()]
    while not stop.is_set():
        for repair in rounds:
            if not stop.is_set():
                _attempt(repair)
        stop.wait(settings().reconcile_every_s)


def queue_due() -> int:
    """Queue the scheduled jobs whose time has come. Returns how many. Raises BrokerAway; they are published later."""
    with writing() as connection:
        told = outbox.due(connection)
    bus.publish(told)
    submit([event.job_id for event in told])
    return len(told)


def publish() -> int:
    """Publish the jobs that wait in the store for longer than they should. Returns how many. Raises BrokerAway."""
    with reading() as connection:
        waiting = outbox.unpublished(connection, now() - timedelta(seconds=settings().republish_after_s))
    if waiting:
        submit(waiting)
        with writing() as connection:
            told = repairs.note_repaired(connection, waiting, "message sent late", _WHY)
        bus.publish(told)
        log.info("reconciler.jobs.published", jobs=len(waiting))
    return len(waiting)


class Trim:
    """Forgets workers that were lost long ago; now and then."""

    def __init__(self) -> None:
        self._at = 0.0

    def __call__(self) -> int:
        if time.monotonic() < self._at:
            return 0
        self._at = time.monotonic() + TRIM_EVERY_S
        with answering() as client:
            return presence.trim(client)


def _attempt(repair: Repair) -> None:
    """Make a repair; what goes wrong with one must not keep the others from being made."""
    try:
        repair()
    except Infrastructure as exc:
        log.warning("reconciler.skipped", error=exc.code, message=exc.message)
    except Exception:
        log.exception("reconciler.failed")  # the next round may fare better
