"""Traces, made of what the ledger of steps says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.contracts.job import JobView, StepView
from shared.contracts.trace import Span, Trace
from shared.errors import NotFound


class TraceNotFound(NotFound):
    """No job of this organisation has this trace."""


def trace(trace_id: str, jobs: Sequence[JobView]) -> Trace:
    """Return the trace of jobs. Raises TraceNotFound when there are none."""
    if not jobs:
        raise TraceNotFound("There is no trace with this id.", cure="A job names its own: vedette jobs get ID")
    return Trace(trace_id=trace_id, spans=[span for job in jobs for span in _spans(job)])


def _spans(job: JobView) -> Iterator[Span]:
    yield Span(
        id=job.id,
        name=f"{job.kind} {job.target}",
        job_id=job.id,
        state=job.state,
        attempt=job.run,
        ready_at=job.due_at or job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        waited_s=job.waited_s,
        ran_s=job.ran_s,
    )
    for step in job.steps:
        yield _step(job, step)


def _step(job: JobView, step: StepView) -> Span:
    parent = f"{job.id}.{step.stage}" if step.part else job.id
    names = ("stage", "part", "state", "attempt", "worker")
    times = ("ready_at", "started_at", "finished_at", "waited_s", "ran_s")
    return Span(
        id=f"{parent}.{step.part}" if step.part else f"{job.id}.{step.stage}",
        parent_id=parent,
        name=f"{step.stage} {step.part}".strip(),
        job_id=job.id,
        **{name: getattr(step, name) for name in (*names, *times)},
    )
