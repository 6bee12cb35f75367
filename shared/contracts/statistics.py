"""Numbers of what an organisation's jobs came to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from shared.contracts.job import Contract, JobState


class Came(Contract):
    """What came of the jobs that ended and were not cancelled; each is null where there is none.

    success_rate: how many did not fail, from 0 to 1. The others are seconds that they ran, waiting between stages and
    attempts included; p50_s and p95_s are of real jobs (nearest rank): so many of a hundred took as long, or less.
    """

    success_rate: float | None = None
    average_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None


class Overview(Came):
    """The last 24 hours, and how things stand."""

    states: dict[JobState, int] = {}
    finished_24h: int = 0
    failed_24h: int = 0
    dead_letters: int = 0


class Interval(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class Bucket(Came):
    """The jobs that ended in one interval, by state. `at` is its beginning."""

    at: datetime
    states: dict[JobState, int] = {}
