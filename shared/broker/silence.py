"""A Redis that takes connections and says nothing: whoever serves people finds that out once, and not at every step.

For processes that `hurry`: after a time-out nothing asks Redis for `AWAY_S`, and each question takes `HURRIED_S` at
most. All that a submission asks then fits into a second. One that refuses connections costs nothing, and is asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

HURRIED_S = 0.4  # to connect, and for an answer
AWAY_S = 2.0  # the reconciler sends within seconds what was not published meanwhile
SLOW_S = 0.2  # a failure that took less was no silence


class RedisSilent(redis.TimeoutError):
    """Redis did not answer a moment ago, so it was not asked."""


class _Silence:
    is_heeded = False
    until = 0.0  # monotonic


@contextmanager
def hurrying() -> Iterator[None]:
    """Have this process not wait for a silent Redis, for the block."""
    _Silence.is_heeded, _Silence.until = True, 0.0
    try:
        yield
    finally:
        _Silence.is_heeded = False


def timeout_s(patient_s: float) -> float:
    """Return how long this process waits for Redis, where others wait for `patient_s`."""
    return min(HURRIED_S, patient_s) if _Silence.is_heeded else patient_s


@contextmanager
def heeded() -> Iterator[None]:
    """Ask Redis in the block. Raises RedisSilent where it was silent a moment ago; takes note where it is now."""
    if _Silence.is_heeded and time.monotonic() < _Silence.until:
        raise RedisSilent("Redis did not answer a moment ago.")
    started = time.monotonic()
    try:
        yield
    except (redis.RedisError, OSError):
        if time.monotonic() - started >= SLOW_S:
            _Silence.until = time.monotonic() + AWAY_S
        raise
