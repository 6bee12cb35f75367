"""Numbers of what an organisation's jobs came to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from shared.contracts.job import Contract, JobState, StageName


class Took(Contract):
    """Seconds that something took; each is null where there was none.

    p50_s and p95_s are of real ones (nearest rank): so many of a hundred took as long, or less.
    """

    average_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None


class Came(Took):
    """What came of the jobs that ended and were not cancelled; each is null where there is none.

    success_rate: how many did not fail, from 0 to 1. The seconds are those that they ran, waiting between stages and
    attempts included.
    """

    success_rate: float | None = None


class Overview(Came):
    """How things stand, and what came of the jobs that ended in the time that was asked for."""

    states: dict[JobState, int] = {}
    finished: int = 0
    failed: int = 0
    dead_letters: int = 0


class Interval(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class Bucket(Came):
    """The jobs that ended in one interval, by state. `at` is its beginning."""

    at: datetime
    states: dict[JobState, int] = {}


class KindFigures(Came):
    """The jobs of one kind of target and one profile that ended, by state."""

    kind: str
    profile: str
    states: dict[JobState, int] = {}


class StageFigures(Contract):
    """One stage of the jobs that ended, where it ran to its end and was not cancelled.

    runs: in how many jobs.  failed: in how many of them for good.  retries: attempts after one that failed.  lost:
    attempts whose worker died.  ran: from the first attempt's start to the end, back-offs included.  waited: in its
    queue for the first attempt.
    """

    stage: StageName
    runs: int
    failed: int
    retries: int
    lost: int
    ran: Took
    waited: Took
