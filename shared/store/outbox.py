"""Jobs on their way to the broker: which wait to be sent, and with what message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, update

from shared.contracts.envelope import Envelope
from shared.contracts.events import Event, EventType
from shared.contracts.job import JobState, Priority, Profile, StageName, StepState
from shared.ids import now
from shared.store import quotas, timeline
from shared.store.jobs import JobNotFound
from shared.store.step import STAGES
from shared.store.tables import jobs, steps


@dataclass(frozen=True)
class Outgoing:
    """A job that waits to be sent: its message, and the first stage that is not over."""

    envelope: Envelope
    traceparent: str
    first: StageName


def envelope(connection: Connection, job_id: str) -> tuple[Envelope, str]:
    """Return the message that sends this job on its way, and its traceparent. Raises JobNotFound."""
    row = connection.execute(_SELECT_SENT.where(jobs.c.id == job_id)).mappings().one_or_none()
    if row is None:
        raise JobNotFound(f"There is no job {job_id}.")
    return _envelope(row), row["traceparent"]


def outgoing(connection: Connection, ids: Sequence[str]) -> list[Outgoing]:
    """Return those of the jobs that may run and whose message is not known to be with the broker, in their order."""
    waiting = (jobs.c.id.in_(ids), *_UNSENT, jobs.c.state == JobState.QUEUED)
    rows = {row["id"]: row for row in connection.execute(_SELECT_SENT.where(*waiting)).mappings()}
    mine = (steps.c.job_id.in_(list(rows)), steps.c.part == "", steps.c.state == StepState.PENDING)
    found: dict[str, list[StageName]] = {}
    for job_id, stage in connection.execute(select(steps.c.job_id, steps.c.stage).where(*mine)):
        found.setdefault(job_id, []).append(StageName(stage))
    first = {job_id: min(stages, key=STAGES.index) for job_id, stages in found.items()}
    return [
        Outgoing(_envelope(rows[job_id]), rows[job_id]["traceparent"], first[job_id])
        for job_id in ids
        if job_id in first
    ]


def mark_published(connection: Connection, ids: Sequence[str]) -> None:
    """Note that the first message of these jobs is with the broker."""
    connection.execute(update(jobs).where(jobs.c.id.in_(ids), jobs.c.published_at.is_(None)).values(published_at=now()))


def unpublished(connection: Connection, before: datetime, limit: int = 500) -> list[str]:
    """Return jobs queued before `before` whose message never reached the broker, oldest first."""
    waiting = (*_UNSENT, jobs.c.state == JobState.QUEUED, jobs.c.queued_at < before)
    query = select(jobs.c.id).where(*waiting).order_by(jobs.c.created_at, jobs.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def due(connection: Connection, limit: int = 500) -> list[Event]:
    """Queue the scheduled jobs whose time has come, oldest first; return their events. They are to be submitted."""
    waiting = (*_UNSENT, jobs.c.state == JobState.SCHEDULED, jobs.c.due_at <= now())
    query = select(jobs.c.id).where(*waiting).order_by(jobs.c.due_at, jobs.c.id).limit(limit)
    ids = list(connection.execute(query).scalars())
    if not ids:
        return []
    still = (jobs.c.id.in_(ids), jobs.c.state == JobState.SCHEDULED)  # nobody cancelled it meanwhile
    queued = update(jobs).where(*still).values(state=JobState.QUEUED).returning(jobs.c.id, jobs.c.org_id, jobs.c.lane)
    rows = sorted(connection.execute(queued).all())
    quotas.queue(connection, [(row.org_id, row.id) for row in rows])
    facts = [timeline.Fact(row.org_id, row.id, EventType.JOB_QUEUED, data={"lane": row.lane}) for row in rows]
    return timeline.add(connection, facts)


def _envelope(row: RowMapping) -> Envelope:
    return Envelope(
        job_id=row["id"],
        org_id=row["org_id"],
        kind=row["kind"],
        lane=row["lane"],
        priority=Priority(row["priority"]),
        profile=Profile(row["profile"]),
        run=row["run"],
        deadline_at=row["deadline_at"],
    )


_UNSENT = (jobs.c.published_at.is_(None), jobs.c.held_at.is_(None))  # as an index has it
_SELECT_SENT = select(
    *(jobs.c.id, jobs.c.org_id, jobs.c.kind, jobs.c.lane, jobs.c.priority, jobs.c.profile, jobs.c.run),
    *(jobs.c.deadline_at, jobs.c.traceparent),
)
