"""A trace: the spans of one job, or of the jobs of one request."""

from __future__ import annotations

from datetime import datetime

from shared.contracts.job import Contract, JobState, StageName, StepState


class Span(Contract):
    """A job, or one of its steps. id: unique within the trace. waited_s is before it began, ran_s after that."""

    id: str
    parent_id: str | None = None
    name: str
    job_id: str
    stage: StageName | None = None
    part: str = ""
    state: JobState | StepState
    attempt: int = 0
    worker: str = ""
    ready_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    waited_s: float | None = None
    ran_s: float | None = None


class Trace(Contract):
    """Spans, each after its parent."""

    trace_id: str
    spans: list[Span]
