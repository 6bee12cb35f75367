"""Puts right what no queue can see: jobs that were written and never reached the broker.

A process of its own: `python -m control.reconciler`.
"""

from __future__ import annotations

import signal
import threading
from datetime import timedelta

import structlog

from shared import heartbeat, telemetry
from shared.errors import Infrastructure
from shared.ids import now
from shared.pipeline import hurry, submit
from shared.settings import settings
from shared.store import jobs
from shared.store.engine import reading

log = structlog.get_logger()
NAME = "control"


def reconcile() -> int:
    """Publish the jobs that wait in the store for longer than they should. Returns how many."""
    with reading() as connection:
        waiting = jobs.unpublished(connection, now() - timedelta(seconds=settings().republish_after_s))
    if waiting:
        submit(waiting)
        log.info("reconciler.jobs.published", jobs=len(waiting))
    return len(waiting)


def main() -> None:
    """Reconcile every few seconds until SIGTERM or SIGINT."""
    telemetry.start(NAME, settings())
    hurry()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    since_s = settings().reconcile_every_s
    while True:
        heartbeat.beat(NAME)
        if since_s >= settings().reconcile_every_s:
            since_s = 0.0
            try:
                reconcile()
            except Infrastructure as exc:
                log.warning("reconciler.skipped", error=exc.code, message=exc.message)
            except Exception:
                log.exception("reconciler.failed")  # the next round may fare better; a loop that ended would not
        if stop.wait(heartbeat.EVERY_S):
            return
        since_s += heartbeat.EVERY_S


if __name__ == "__main__":
    main()
