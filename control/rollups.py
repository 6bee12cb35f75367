"""Counts the event log for Prometheus: every event once, whoever counted before."""

from __future__ import annotations

import threading

import structlog

from shared.errors import Infrastructure
from shared.store import rollups
from shared.store.engine import writing

log = structlog.get_logger()

EVERY_S = 2.0


def run(stop: threading.Event) -> None:
    """Count until `stop` is set."""
    while not stop.is_set():
        try:
            advance()
        except Infrastructure as exc:
            log.warning("rollups.delayed", error=exc.code, message=exc.message)
        stop.wait(EVERY_S)


def advance() -> int:
    """Count what came since; return how many events. Raises Infrastructure; then they are counted later."""
    with writing() as connection:
        return rollups.advance(connection)
