"""Counts the event log for Prometheus: every event once, whoever counted before."""

from __future__ import annotations

import threading

import structlog

from shared.errors import Infrastructure
from shared.store import rollups
from shared.store.engine import writing

log = structlog.get_logger()

EVERY_S = 2.0
BEHIND_S = 0.1  # between two passes while there is much: others are to write as well


def run(stop: threading.Event) -> None:
    """Count until `stop` is set."""
    while not stop.is_set():
        counted = 0
        try:
            counted = advance()
        except Infrastructure as exc:
            log.warning("rollups.delayed", error=exc.code, message=exc.message)
        stop.wait(BEHIND_S if counted >= rollups.PAGE else EVERY_S)


def advance() -> int:
    """Count what came since; return how many events. Raises Infrastructure; then they are counted later."""
    with writing() as connection:
        return rollups.advance(connection)
