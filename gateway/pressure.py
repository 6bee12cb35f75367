"""How full the broker is, and what follows from it: an alarm first, then no more jobs are taken in.

A full broker refuses messages in the middle of a job as well, so what it still holds must have room to be worked off.
"""

from __future__ import annotations

import threading
import time

import structlog

from shared.broker.client import BrokerAway, answering
from shared.broker.memory import Memory, memory
from shared.contracts.queues import BrokerMemory
from shared.errors import Infrastructure

log = structlog.get_logger()

ALARM_AT = 0.70  # of the memory that the broker may use
FULL_AT = 0.85
FRESH_S = 2.0  # between two looks
WARN_EVERY_S = 60.0


class BrokerFull(Infrastructure):
    """The broker has hardly room for what it holds, so no jobs are taken in."""


class Gauge:
    """Looks at the broker at most every `FRESH_S` seconds; in between it tells what it saw."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._warned_at = float("-inf")
        self._seen: Memory | None = None

    def read(self) -> Memory | None:
        """Return what the broker uses, or None while it is away."""
        with self._lock:
            if time.monotonic() >= self._read_at + FRESH_S:
                self._seen = _look()
                self._read_at = time.monotonic()
                self._warn()
            return self._seen

    def _warn(self) -> None:
        if self._seen and alarm(self._seen) and time.monotonic() >= self._warned_at + WARN_EVERY_S:
            self._warned_at = time.monotonic()
            log.warning("gateway.broker.filling", fullness=self._seen.fullness, limit_bytes=self._seen.limit)


GAUGE = Gauge()


def admit() -> None:
    """Let jobs in. Raises BrokerFull. A broker that is away is no reason: jobs wait for it in the store."""
    seen = GAUGE.read()
    if seen and (seen.fullness or 0.0) >= FULL_AT:
        raise BrokerFull(
            f"The broker is {seen.fullness:.0%} full, so no jobs are taken in until it has worked some off.",
            cure="Wait, start more workers, or give Redis more memory (maxmemory).",
        )


def view() -> BrokerMemory:
    """Return how full the broker is, with an alarm where there is a reason for one."""
    seen = GAUGE.read() or Memory(0, 0)
    return BrokerMemory(used_bytes=seen.used, limit_bytes=seen.limit, fullness=seen.fullness, alarm=alarm(seen))


def alarm(seen: Memory) -> str:
    """Return what is wrong, in words, or nothing."""
    share = seen.fullness or 0.0
    if share >= FULL_AT:
        return f"The broker is {share:.0%} full: no jobs are taken in."
    return f"The broker is {share:.0%} full; from {FULL_AT:.0%} on no jobs are taken in." if share >= ALARM_AT else ""


def _look() -> Memory | None:
    try:
        with answering() as client:
            return memory(client)
    except BrokerAway:
        return None
