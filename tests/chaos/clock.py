"""A worker whose clock is wrong by CHAOS_CLOCK_OFF_S seconds: every time of day that Python code asks for.

Not libfaketime: what it does to the waits of Python 3.11 (EINVAL from `time.sleep`) no wrong clock does.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

from shared import ids

_OFF_S = float(os.environ.get("CHAOS_CLOCK_OFF_S") or 0)
_time, _time_ns = time.time, time.time_ns


def skew() -> None:
    """Make this process's clock wrong. To be called before anything of `shared` but `ids` is imported."""
    if _OFF_S:
        time.time = lambda: _time() + _OFF_S
        time.time_ns = lambda: _time_ns() + int(_OFF_S * 1e9)
        ids.now = lambda: datetime.now(UTC) + timedelta(seconds=_OFF_S)
