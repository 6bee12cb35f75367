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

MOST_EVENTS = 20_000  # of one job; a page more than any job has


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
    every = runs(job, _events(connection, job_id))
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
        related=[*_runs(run, every), *_family(connection, job, run.trace_id)],
        dropped=extent.dropped,
        is_cut=extent.spans > records.MOST,
    )


def of_trace(connection: Connection, org_id: str, trace_id: str) -> Source:
    """Return a trace with all of its jobs that this organisation has. Raises TraceNotFound."""
    extent = records.extent(connection, trace_id)
    ids = dict.fromkeys([*jobs.ids_of_trace(connection, org_id, trace_id), *extent.job_ids])
    found, related = list[Run](), list[RelatedTrace]()
    for job in jobs.views(connection, list(ids), org_id):
        every = runs(job, _events(connection, job.id))
        for run in every:
            if run.trace_id == trace_id:
                found.append(run)
                related += [*_runs(run, every), *_family(connection, job, trace_id)]
    for job_id, of_job_id in batches.traces(connection, org_id, trace_id).items():
        if of_job_id != trace_id:
            related.append(RelatedTrace(relation=Relation.JOB, trace_id=of_job_id, job_id=job_id))
    if not found and not extent.spans:
        raise TraceNotFound("There is no trace with this id.", cure="A job names its own: vedette jobs get ID")
    return Source(
        trace_id=trace_id,
        at=now(),
        runs=found,
        records=records.of_trace(connection, trace_id) if extent.spans else [],
        tops=_tops(connection, found),
        related=related,
        dropped=extent.dropped,
        is_cut=extent.spans > records.MOST,
    )


def _events(connection: Connection, job_id: str) -> list[Event]:
    found: list[Event] = []
    while page := timeline.of_job(connection, job_id, found[-1].id if found else 0):
        found += page
        if len(found) >= MOST_EVENTS:
            break
    return found


def _tops(connection: Connection, found: Sequence[Run]) -> dict[str, str]:
    parents = {run.job.id: jobs.traceparent(connection, run.job.id) for run in found if run.is_last}
    return {job_id: parent.split("-")[2] for job_id, parent in parents.items() if parent.count("-") == 3}


def _runs(run: Run, every: Sequence[Run]) -> Iterator[RelatedTrace]:
    for other in every:
        if other.trace_id and other.number != run.number:
            relation = Relation.EARLIER_RUN if other.number < run.number else Relation.LATER_RUN
            yield RelatedTrace(relation=relation, trace_id=other.trace_id, job_id=run.job.id)


def _family(connection: Connection, job: JobView, trace_id: str) -> Iterator[RelatedTrace]:
    origin = jobs.views(connection, [job.origin_id]) if job.origin_id else []
    yield from (RelatedTrace(relation=Relation.ORIGIN, trace_id=each.trace_id, job_id=each.id) for each in origin)
    if job.batch_id and (of_batch := batches.trace_id(connection, job.batch_id)) not in {"", trace_id}:
        yield RelatedTrace(relation=Relation.BATCH, trace_id=of_batch)
    for repeat, of_repeat in jobs.repeats(connection, job.id).items():
        yield RelatedTrace(relation=Relation.REPEAT, trace_id=of_repeat, job_id=repeat)
