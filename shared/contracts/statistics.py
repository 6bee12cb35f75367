"""Numbers of what an organisation's jobs came to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from shared.contracts.job import Contract, JobState


class Overview(Contract):
    """The last 24 hours, and how things stand. success_rate: of the jobs that ended and were not cancelled, or null."""

    states: dict[JobState, int] = {}
    finished_24h: int = 0
    failed_24h: int = 0
    average_s: float | None = None
    success_rate: float | None = None
    dead_letters: int = 0


class Interval(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class Bucket(Contract):
    """The jobs that ended in one interval, by state. `at` is its beginning."""

    at: datetime
    states: dict[JobState, int] = {}
