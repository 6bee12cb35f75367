"""A target that was scanned, with what its newest job says."""

from __future__ import annotations

from datetime import datetime

from shared.contracts.job import Contract, JobState


class TargetView(Contract):
    """A target. job_id, state: of its newest job; score, grade, severities: of the same, once it is judged."""

    target: str
    kind: str
    job_id: str
    state: JobState
    score: int | None = None
    grade: str | None = None
    severities: dict[str, int] = {}
    created_at: datetime
    finished_at: datetime | None = None
