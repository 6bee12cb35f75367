"""Jobs as they are taken in: their lane, when they may begin, by when they must be done, and their first events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.contracts.events import EventType
from shared.contracts.job import Priority, Profile, StageName
from shared.contracts.lanes import LANES
from shared.contracts.submission import Options
from shared.contracts.target import TargetModel
from shared.errors import InvalidInput
from shared.ids import now
from shared.settings import settings
from shared.store import jobs, quotas, timeline
from shared.store.engine import Connection
from shared.store.jobs import NewJob
from shared.store.timeline import Fact

MAX_AHEAD = timedelta(days=366)


class TooFarAhead(InvalidInput):
    """A job is to begin at a time that nobody plans for: most likely the year is wrong."""


class DeadlinePast(InvalidInput):
    """A job is to be done by a time that has passed."""


def draft(
    org_id: str, target: TargetModel, options: Options, *, batch_id: str | None = None, linked_to: str | None = None
) -> NewJob:
    """Return the job to be written for an admitted target. linked_to: see `NewJob`. Raises TooFarAhead."""
    due_at = due(options)
    length = timedelta(seconds=options.deadline_s or settings().job_deadline_s)
    return NewJob(
        org_id=org_id,
        target=target,
        options=options,
        lane=lane(options),
        deadline_at=(due_at or now()) + length,
        batch_id=batch_id,
        linked_to=linked_to,
        parts={StageName.REPORT: options.reports},
        due_at=due_at,
    )


def write(connection: Connection, new: Sequence[NewJob], by: str = "", counted_for: str = "") -> list[str]:
    """Write jobs of one organisation and their first events; return their ids. They are submitted after the commit.

    by: the actor who asked for them.  counted_for: see `NewJob`; without it, the actor.

    Raises TooManyTargets, QuotaExceeded.
    """
    if new:
        quotas.admit(connection, new[0].org_id, counted_for or by, len(new))
    ids = jobs.create(connection, [replace(job, created_by=by, counted_for=counted_for or by) for job in new])
    quotas.queue(connection, [(job.org_id, job_id) for job_id, job in zip(ids, new, strict=True) if not job.due_at])
    timeline.add(connection, [_first(job_id, job) for job_id, job in zip(ids, new, strict=True)])
    return ids


def lane(options: Options) -> str:
    """Return the lane of a job: by what it is and how soon it is wanted."""
    realtime, standard, heavy, background = LANES[StageName.SCAN]
    if options.priority is Priority.URGENT or options.profile is Profile.QUICK:
        return realtime
    if options.priority is Priority.LOW:
        return background
    return heavy if options.profile is Profile.COMPREHENSIVE else standard


def due(options: Options) -> datetime | None:
    """Return when a job may begin, None for at once: also when that time has passed. Raises TooFarAhead."""
    at, today = options.not_before, now()
    if at is None or at <= today:
        return None
    if at > today + MAX_AHEAD:
        raise TooFarAhead(
            f"{at:%Y-%m-%d} is more than {MAX_AHEAD.days} days ahead.", cure="See the year.", pointer="/not_before"
        )
    return at


def check_deadline(at: datetime) -> None:
    """Raise TooFarAhead for a deadline that nobody plans for, DeadlinePast for one that has passed."""
    today = now()
    if at <= today:
        raise DeadlinePast("The deadline has passed.", cure="Cancel the job instead.", pointer="/deadline_at")
    if at > today + 2 * MAX_AHEAD:
        raise TooFarAhead(
            f"{at:%Y-%m-%d} is more than {2 * MAX_AHEAD.days} days ahead.", cure="See the year.", pointer="/deadline_at"
        )


def _first(job_id: str, job: NewJob) -> Fact:
    if job.due_at:
        data = {"lane": job.lane, "due_at": job.due_at.isoformat()}
        return Fact(job.org_id, job_id, EventType.JOB_SCHEDULED, data=data)
    return Fact(job.org_id, job_id, EventType.JOB_QUEUED, data={"lane": job.lane})
