"""What a trace is made of: the runs of its jobs, the spans that were recorded, and the traces that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.traces.run import Run, runs
from shared.contracts.events import Event
from shared.contracts.job import JobView
from shared.contracts.record import SpanRecord
from shared.contracts.trace import RelatedTrace, Relation
from shared.errors import NotFound
from shared.ids import now
from shared.store import batches, jobs, records, timeline
from shared.store.engine import Connection

MOST_JOBS = 200  # of one trace


class TraceNotFound(NotFound):
    """No job of this organisation has this trace."""


class RunUnknown(NotFound):
    """The job has no such run."""


@dataclass(frozen=True)
class Source:
    """runs: those that are this trace.  tops: the id of the span of each job, as far as known."""

    trace_id: str
    at: datetime
    runs: Sequence[Run] = ()
    records: Sequence[SpanRecord] = ()
    tops: Mapping[str, str] = field(default_factory=dict)
    related: Sequence[RelatedTrace] = ()
    dropped: int = 0
    is_cut: bool = False


def of_job(connection: Connection, job_id: str, number: int | None = None) -> Source:
    """Return the trace of a run of a job, its last one without `number`. Raises JobNotFound or RunUnknown."""
    job = jobs.view(connection, job_id)
    every = runs(job, timeline.of_jobs(connection, [job_id]))
    run = next((each for each in every if each.number == (number or job.run)), None)
    if run is None:
        raise RunUnknown(f"Job {job_id} has no run {number}.", cure=f"It has had {job.run}.")
    extent = records.extent(connection, run.trace_id, job_id)
    return Source(
        trace_id=run.trace_id,
        at=now(),
        runs=[run],
        records=records.of_job(connection, job_id, run.trace_id) if extent.spans else [],
        tops=_tops(connection, [run]),
        related=[*_others([run], every), *_family(connection, [job], run.trace_id)],
        dropped=extent.dropped,
        is_cut=extent.spans > records.MOST,
    )


def of_trace(connection: Connection, org_id: str, trace_id: str) -> Source:
    """Return a trace with all of its jobs that this organisation has. Raises TraceNotFound."""
    extent = records.extent(connection, trace_id)
    ids = list(dict.fromkeys([*jobs.ids_of_trace(connection, org_id, trace_id, MOST_JOBS + 1), *extent.job_ids]))
    every = [run for of_one in _runs(connection, org_id, ids[:MOST_JOBS]) for run in of_one]
    mine = [run for run in every if run.trace_id == trace_id]
    if not mine and not extent.spans:
        raise TraceNotFound("There is no trace with this id.", cure="A job names its own: vedette jobs get ID")
    family = _family(connection, [run.job for run in mine], trace_id)
    return Source(
        trace_id=trace_id,
        at=now(),
        runs=mine,
        records=records.of_trace(connection, trace_id) if extent.spans else [],
        tops=_tops(connection, mine),
        related=[*_others(mine, every), *family, *_made(connection, org_id, trace_id)],
        dropped=extent.dropped,
        is_cut=extent.spans > records.MOST or len(ids) > MOST_JOBS,
    )


def _runs(connection: Connection, org_id: str, ids: Sequence[str]) -> list[list[Run]]:
    events: dict[str, list[Event]] = {}
    for event in timeline.of_jobs(connection, ids):
        events.setdefault(event.job_id, []).append(event)
    return [runs(job, events.get(job.id, [])) for job in jobs.views(connection, ids, org_id)]


def _tops(connection: Connection, found: Sequence[Run]) -> dict[str, str]:
    spans = jobs.spans(connection, [run.job.id for run in found if run.is_last])
    return {job_id: parent.split("-")[2] for job_id, (_, parent) in spans.items() if parent.count("-") == 3}


def _others(mine: Sequence[Run], every: Sequence[Run]) -> Iterator[RelatedTrace]:
    """Yield the other runs of the same jobs."""
    numbers = {run.job.id: run.number for run in mine}
    for run in every:
        number = numbers.get(run.job.id, run.number)
        if run.trace_id and run.number != number:
            relation = Relation.EARLIER_RUN if run.number < number else Relation.LATER_RUN
            yield RelatedTrace(relation=relation, trace_id=run.trace_id, job_id=run.job.id)


def _family(connection: Connection, of: Sequence[JobView], trace_id: str) -> Iterator[RelatedTrace]:
    """Yield the traces of the jobs that these repeat and that repeat them, and of the requests of their batches."""
    for job_id, (of_origin, _) in jobs.spans(connection, [job.origin_id for job in of if job.origin_id]).items():
        yield RelatedTrace(relation=Relation.ORIGIN, trace_id=of_origin, job_id=job_id)
    for of_batch in batches.trace_ids(connection, [job.batch_id for job in of if job.batch_id]).values():
        if of_batch not in {"", trace_id}:
            yield RelatedTrace(relation=Relation.BATCH, trace_id=of_batch)
    for job_id, of_repeat in jobs.repeats(connection, [job.id for job in of]).items():
        yield RelatedTrace(relation=Relation.REPEAT, trace_id=of_repeat, job_id=job_id)


def _made(connection: Connection, org_id: str, trace_id: str) -> Iterator[RelatedTrace]:
    """Yield the traces of the jobs that the request of this trace made as a batch."""
    for job_id, of_job_id in batches.traces(connection, org_id, trace_id).items():
        if of_job_id != trace_id:
            yield RelatedTrace(relation=Relation.JOB, trace_id=of_job_id, job_id=job_id)
