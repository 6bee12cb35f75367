"""How fast: so many things a second, and none of what was not used is saved up."""

from __future__ import annotations

import math
import time


class Pace:
    """At most `rate` things a second, from its making on; 0 is as fast as possible. Seconds are monotonic."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = time.monotonic()

    def allowed(self, most: int) -> int:
        """Return how many may be done now, at most `most`."""
        if not self._rate:
            return most
        at = time.monotonic()
        # What was not used is not saved up: a pause of an hour is not followed by an hour's worth at once.
        self._free_at = max(self._free_at, at - max(1.0, 1 / self._rate))
        if self._free_at > at:
            return 0
        return min(most, 1 + math.floor((at - self._free_at) * self._rate))

    def spend(self, count: int) -> None:
        """Note that `count` were done."""
        if self._rate:
            self._free_at += count / self._rate
