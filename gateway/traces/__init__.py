"""Traces as views draw them, made of what the ledger of steps says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from shared.contracts.job import JobView, StepState, StepView
from shared.contracts.trace import Segment, Span, SpanState, Totals, Trace, TracedJob
from shared.errors import NotFound
from shared.ids import now

_STATES = {StepState.FAILED: SpanState.ERROR, StepState.RUNNING: SpanState.LIVE, StepState.RETRYING: SpanState.ERROR}


class TraceNotFound(NotFound):
    """No job of this organisation has this trace."""


def trace(trace_id: str, jobs: Sequence[JobView]) -> Trace:
    """Return the trace of jobs. Raises TraceNotFound when there are none."""
    if not jobs:
        raise TraceNotFound("There is no trace with this id.", cure="A job names its own: vedette jobs get ID")
    at, began_at = now(), min(job.created_at for job in jobs)
    ends = [job.finished_at or at for job in jobs]
    spans = [span for job in jobs for span in _spans(job, began_at, at)]
    is_live = any(job.finished_at is None for job in jobs)
    return Trace(
        trace_id=trace_id,
        jobs=[TracedJob(id=job.id, kind=job.kind, target=job.target, state=job.state, run=job.run) for job in jobs],
        began_at=began_at,
        ended_at=None if is_live else max(ends),
        as_of=at,
        duration_s=(max(ends) - began_at).total_seconds(),
        is_live=is_live,
        totals=Totals(spans=len(spans)),
        spans=spans,
    )


def _spans(job: JobView, began_at: datetime, at: datetime) -> Iterator[Span]:
    taken = [step for step in job.steps if step.started_at]
    end = job.finished_at or at
    yield Span(
        id=job.id,
        name="job",
        segment=Segment.JOB,
        job_id=job.id,
        start_s=(job.created_at - began_at).total_seconds(),
        duration_s=(end - job.created_at).total_seconds(),
        state=SpanState.OK if job.finished_at else SpanState.LIVE,
        child_count=len(taken),
        is_from_ledger=True,
    )
    for step in taken:
        yield _step(job, step, began_at, at)


def _step(job: JobView, step: StepView, began_at: datetime, at: datetime) -> Span:
    started_at = step.started_at or at
    return Span(
        id=f"{job.id}.{step.stage}.{step.part}",
        parent_id=job.id,
        depth=1,
        name=f"{step.stage} {step.part}" if step.part else f"run {step.stage}",
        segment=Segment.WORK if step.part else Segment.RUN,
        job_id=job.id,
        stage=step.stage,
        part=step.part,
        attempt=step.attempt,
        start_s=(started_at - began_at).total_seconds(),
        duration_s=((step.finished_at or at) - started_at).total_seconds(),
        state=_STATES.get(step.state, SpanState.OK),
        is_from_ledger=True,
    )
