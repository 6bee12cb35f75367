"""What is known of one run of a job: its attempts by the ledger, and the spans of it that were recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from gateway.traces.row import Row, ns
from gateway.traces.run import Attempt, Run
from shared.contracts.job import StageName
from shared.contracts.trace import Segment

NEAR = 1_000_000  # ns between an event and the span around it: the clock of one machine, read one after the other

_PIPELINE = frozenset({Segment.RUN, Segment.WAIT, Segment.BACKOFF, Segment.SEND})


@dataclass(frozen=True)
class Known:
    """recorded: the rows of this job that the pipeline itself makes, and of parts.  at: now."""

    run: Run
    attempts: Sequence[Attempt]
    recorded: Sequence[Row]
    at: datetime

    @classmethod
    def of(cls, run: Run, attempts: Sequence[Attempt], recorded: Sequence[Row], at: datetime) -> Self:
        mine = [row for row in recorded if row.job_id == run.job.id and (row.part or row.segment in _PIPELINE)]
        return cls(run, attempts, mine, at)

    def has(self, attempt: Attempt) -> bool:
        """Whether a span covers the attempt: its own, or for a part that of the run of its stage."""
        return any(
            row.stage is attempt.stage
            and (row.segment is Segment.RUN or row.part == attempt.part != "")
            and covers(row, attempt)
            for row in self.recorded
        )

    def last(self, stage: StageName, before: int | None = None) -> Attempt | None:
        """Return the last attempt of a stage; with `before`, of those at an earlier place than that."""
        found = [each for each in self.attempts[:before] if each.stage is stage and not each.part]
        return found[-1] if found else None


def covers(row: Row, attempt: Attempt) -> bool:
    """Whether the attempt began within the row."""
    return row.began - NEAR <= ns(attempt.began_at) <= row.ended + NEAR


def row_id(run: Run, *what: str) -> str:
    """Return an id as spans have them, the same each time."""
    return hashlib.sha256("\0".join((run.job.id, str(run.number), *what)).encode()).hexdigest()[:16]


def number(row: Row, attempts: Sequence[Attempt]) -> int:
    """Return the number of the attempt that a recorded run was, or a delay was before.

    Messages tell another one: they do not count those that were lost.
    """
    mine = [each for each in attempts if not each.part and each.stage is row.stage]
    if row.segment is Segment.RUN:
        return next((each.number for each in mine if covers(row, each)), row.attempt)
    return next((each.number for each in mine if ns(each.began_at) >= row.ended - NEAR), row.attempt)
