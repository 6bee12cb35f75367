"""A loop in a thread of its own: started again when it fails, and known to hang when it does not ask for its stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

SHORTEST_S, LONGEST_S = 1.0, 30.0  # between a failure and the next start
HUNG_S = 120.0  # without asking: far longer than any batch takes

Run = Callable[["Stop"], None]


class Stop(threading.Event):
    """An event that notes until when its loop has said that it is well, by asking for it or by waiting on it."""

    def __init__(self) -> None:
        super().__init__()
        self.well_until = time.monotonic() + HUNG_S

    def is_set(self) -> bool:
        self.well_until = time.monotonic() + HUNG_S
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self.well_until = time.monotonic() + (timeout or 0.0) + HUNG_S
        return super().wait(timeout)


class Loop:
    """Runs `run(stop)` from `start` to `end`, whatever it raises."""

    def __init__(self, name: str, run: Run) -> None:
        self.name = name
        self._run = run
        self._stop = Stop()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop = Stop()
        self._thread = threading.Thread(target=self._keep_running, args=(self._stop,), name=self.name, daemon=True)
        self._thread.start()

    @property
    def is_well(self) -> bool:
        is_alive = self._thread is not None and self._thread.is_alive()
        return is_alive and time.monotonic() < self._stop.well_until

    def ask_to_end(self) -> None:
        self._stop.set()

    def has_ended(self, timeout_s: float) -> bool:
        """Wait for its end. False: it hangs, or is in the middle of something long."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _keep_running(self, stop: Stop) -> None:
        pause_s = SHORTEST_S
        while not stop.is_set():
            started = time.monotonic()
            try:
                self._run(stop)
            except Exception:
                log.exception("control.loop.failed", loop=self.name)  # the next start may fare better
            if time.monotonic() - started > LONGEST_S:
                pause_s = SHORTEST_S
            if stop.wait(pause_s):
                return
            pause_s = min(pause_s * 2, LONGEST_S)
