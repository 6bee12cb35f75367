"""How fast a sweep may go: the time-out of one connect and how many may be in flight.

The time-out follows the measured round trip (RFC 6298). The limit grows with every answer and halves on proof of loss:
a port that was silent and answers when asked again. Silence alone is no proof: filtered ports are silent for good.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass, field

CONNECT_TIMEOUT = 1.5  # seconds; RFC 6298 initial RTO is 1 s, plus slack: one lost SYN is sent again within it
SHORTEST_TIMEOUT = 0.1  # seconds; nmap's --min-rtt-timeout default
START = 64  # connects in flight at first
LEAST = 8  # connects in flight after any number of losses
MOST = 1024  # connects in flight at best: 700 SYN/s to a silent host, kind to home routers' tables
SPARED_FILES = 128  # files left for the rest of the process


def most_sockets() -> int:
    """Return how many sockets a sweep may have open, given the limit of files of this process."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, files - SPARED_FILES, files // 2))


@dataclass
class Pace:
    """Pace of one address. Times are seconds."""

    ceiling: int = field(default_factory=most_sockets)
    limit: float = 0.0
    _smooth: float | None = None
    _variation: float = 0.0
    _slow_start: bool = True

    def __post_init__(self) -> None:
        self.limit = float(min(START, self.ceiling))

    @property
    def timeout(self) -> float:
        """Seconds to wait for an answer to a first connect."""
        if self._smooth is None:
            return CONNECT_TIMEOUT
        return min(CONNECT_TIMEOUT, max(SHORTEST_TIMEOUT, self._smooth + 4 * self._variation))

    @property
    def retry_timeout(self) -> float:
        """Seconds to wait when asking again: twice as long, as RFC 6298 (5.5) backs off."""
        return min(CONNECT_TIMEOUT, 2 * self.timeout)

    def answered(self, seconds: float, *, again: bool = False) -> None:
        """Any answer came after `seconds`; `again` when the port had been silent before."""
        if self._smooth is None:
            self._smooth, self._variation = seconds, seconds / 2
        else:
            self._variation += (abs(self._smooth - seconds) - self._variation) / 4
            self._smooth += (seconds - self._smooth) / 8
        if again:
            self._slow_start = False
            self.limit = max(float(min(LEAST, self.ceiling)), self.limit / 2)
        else:
            self._grow(1.0 if self._slow_start else 1.0 / self.limit)

    def silent(self) -> None:
        """A connect timed out. Grows slowly, or a host that drops everything would take hours."""
        self._grow(0.25 if self._slow_start else 0.0)

    def starved(self, in_flight: int) -> None:
        """The system had no socket or source port left beyond `in_flight`: ask for no more."""
        self.ceiling = max(min(LEAST, self.ceiling), in_flight)
        self.limit = min(self.limit, float(self.ceiling))

    def _grow(self, by: float) -> None:
        self.limit = min(float(self.ceiling), self.limit + by)
