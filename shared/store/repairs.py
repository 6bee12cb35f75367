"""What the reconciler asks the ledger: whose turn it is, and is there a message for it. It notes what it repaired."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, update

from shared.contracts.events import Event, EventType
from shared.contracts.job import JobState, StageName, StepState
from shared.ids import now
from shared.store.tables import jobs, steps
from shared.store.timeline import Fact, add

FEW = 1000  # ids that a statement may name; beyond that all rows are read as quickly
_GOING = [state.value for state in (JobState.QUEUED, JobState.RUNNING, JobState.RETRYING)]
_OPEN = [state.value for state in (StepState.PENDING, StepState.RUNNING, StepState.RETRYING)]


@dataclass(frozen=True)
class Turn:
    """A step whose turn it has been for a while: a message must wait for it, or be in a worker's hands.

    part: of a report that was ordered, which has a message of its own.

    Two that are equal say that nothing happened to the step in between.
    """

    job_id: str
    stage: StageName
    org_id: str
    state: StepState
    attempt: int
    retries: int
    delivery: str
    resent: int
    run: int
    lane: str
    part: str


def count_turns(connection: Connection, before: datetime) -> int:
    """Return how many steps have had their turn since `before`."""
    both = (narrowed(select(func.count()), before) for narrowed in (_due, _ordered))
    return sum(int(connection.execute(query).scalar_one()) for query in both)


def turns(connection: Connection, before: datetime, of_jobs: Collection[str] | None = None) -> list[Turn]:
    """Return the steps that have had their turn since `before`, of the oldest jobs first; of these jobs at least."""
    step = (steps.c.state, steps.c.attempt, steps.c.retries, steps.c.delivery, steps.c.resent)
    seen = select(jobs.c.id, steps.c.stage, jobs.c.org_id, *step, jobs.c.run, jobs.c.lane, steps.c.part)
    found: list[Turn] = []
    for query in (_due(seen, before), _ordered(seen, before)):
        some = query.where(jobs.c.id.in_(of_jobs)) if of_jobs is not None and len(of_jobs) <= FEW else query
        rows = connection.execute(some.order_by(jobs.c.id))
        found += [Turn(row[0], StageName(row[1]), row[2], StepState(row[3]), *row[4:]) for row in rows]
    return found


def note_resent(connection: Connection, sent: Sequence[Turn], why: str) -> list[Event]:
    """Count that these steps were sent again, and say so in their timelines."""
    for turn in sent:
        mine = and_(steps.c.job_id == turn.job_id, steps.c.stage == turn.stage, steps.c.part == turn.part)
        connection.execute(update(steps).where(mine).values(resent=steps.c.resent + 1))
    return add(connection, [_repaired(turn, "message sent again", why) for turn in sent])


def note_given_up(connection: Connection, lost: Sequence[Turn], why: str) -> list[Event]:
    """Say in their timelines that these steps became dead letters."""
    return add(connection, [_repaired(turn, "made a dead letter", why) for turn in lost])


def note_repaired(connection: Connection, ids: Sequence[str], what: str, why: str) -> list[Event]:
    """Say in the timelines of whole jobs what was put right."""
    rows = connection.execute(select(jobs.c.id, jobs.c.org_id).where(jobs.c.id.in_(ids)).order_by(jobs.c.id))
    data = {"what": what, "why": why}
    return add(connection, [Fact(row.org_id, row.id, EventType.JOB_REPAIRED, data=data) for row in rows])


def stopping(connection: Connection, longer_than_s: float) -> list[str]:
    """Return the jobs that have been `cancelling` for so long, oldest first."""
    query = select(jobs.c.id).where(
        jobs.c.finished_at.is_(None),
        jobs.c.state == JobState.CANCELLING.value,
        jobs.c.cancelled_at < now() - timedelta(seconds=longer_than_s),
    )
    return list(connection.execute(query.order_by(jobs.c.id)).scalars())


def _due(query: Select[Any], before: datetime) -> Select[Any]:
    return query.select_from(jobs.join(steps, steps.c.job_id == jobs.c.id)).where(
        jobs.c.finished_at.is_(None),  # an index has only these
        jobs.c.published_at.is_not(None),
        jobs.c.state.in_(_GOING),
        steps.c.part == "",
        steps.c.state.in_(_OPEN),
        func.coalesce(steps.c.next_attempt_at, steps.c.ready_at) < before,
    )


def _ordered(query: Select[Any], before: datetime) -> Select[Any]:
    return query.select_from(jobs.join(steps, steps.c.job_id == jobs.c.id)).where(
        steps.c.ordered_at.is_not(None),  # an index has only these
        steps.c.finished_at.is_(None),
        func.coalesce(steps.c.next_attempt_at, steps.c.ready_at) < before,
    )


def _repaired(turn: Turn, what: str, why: str) -> Fact:
    return Fact(
        turn.org_id, turn.job_id, EventType.JOB_REPAIRED, turn.stage, turn.part, data={"what": what, "why": why}
    )
