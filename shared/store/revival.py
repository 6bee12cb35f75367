"""Revived jobs: one that is over goes on from a stage, as a new run with a trace and a deadline of its own.

What the stages before it made stays; what it and the later ones made is gone, and made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, not_, select, update

from shared import telemetry
from shared.contracts.events import Event, EventType
from shared.contracts.job import JobState, StageName, StepState
from shared.errors import Conflict, NotFound
from shared.ids import now
from shared.store import locks, quotas
from shared.store.locks import Held
from shared.store.step import DONE, OVER, STAGES
from shared.store.tables import assessments, coverage, findings, jobs, observations, reports, steps
from shared.store.timeline import Fact, add

RESULTS = {
    StageName.SCAN: (observations, coverage),
    StageName.PROCESS: (findings, assessments),
    StageName.REPORT: (reports,),
    StageName.NOTIFY: (),
}

# A step as it is before anybody has it.
AFRESH = {
    "state": StepState.PENDING,
    "delivery": "",  # whoever still has it can end nothing any more
    "message": "",
    "summary": "",
    "worker": "",
    **dict.fromkeys(("retries", "lost", "resent"), 0),
    **dict.fromkeys(("progress", "failure", "ready_at", "started_at", "finished_at", "next_attempt_at", "ordered_at")),
}


class JobUnknown(NotFound):
    """There is no such job to revive."""


class JobNotOver(Conflict):
    """The job is on its way: there is nothing to revive."""


class NothingFailed(Conflict):
    """Every stage of the job succeeded, so none of them can be tried again."""


class StageMissing(Conflict):
    """A stage cannot begin without what an earlier one was to make."""


@dataclass(frozen=True)
class Revival:
    """Which job goes on, from the stage `first`, which is done again as a whole, or from where it failed (None)."""

    job_id: str
    first: StageName | None = None


@dataclass(frozen=True)
class Reopened:
    """A job in its new run, to be sent on its way from the stage `first`."""

    job_id: str
    org_id: str
    first: StageName
    run: int
    events: Sequence[Event] = ()


def reopen(connection: Connection, job_id: str, first: StageName | None = None, *, by: str, why: str) -> Reopened:
    """Revive one job. Raises JobUnknown, JobNotOver, NothingFailed or StageMissing."""
    [reopened] = reopen_many(connection, [Revival(job_id, first)], by=by, why=why)
    if isinstance(reopened, Reopened):
        return reopened
    raise reopened


def reopen_many(
    connection: Connection, wanted: Sequence[Revival], *, by: str, why: str
) -> list[Reopened | NotFound | Conflict]:
    """Revive jobs, and return each or why it was not, in the order of `wanted`. Of the same job twice, the first wins.

    by: who wanted it.  why: the word for it in the timeline, such as `retry`.
    """
    ids = list(dict.fromkeys(one.job_id for one in wanted))
    held: dict[str, list[Held]] = {job_id: [] for job_id in ids}
    for step in locks.hold(connection, ids):
        held[step.job_id].append(step)
    rows = {row["id"]: row for row in connection.execute(_SELECT.where(jobs.c.id.in_(ids))).mappings()}
    found: list[Reopened | NotFound | Conflict] = []
    plans: dict[str, _Plan] = {}
    for one in wanted:
        try:
            plan = _plan(one, rows.get(one.job_id), held[one.job_id], is_again=one.job_id in plans)
        except (NotFound, Conflict) as exc:
            found.append(exc)
        else:
            plans[one.job_id] = plan
            found.append(Reopened(one.job_id, plan.row["org_id"], plan.first, plan.row["run"] + 1))
    told = _write(connection, plans, by=by, why=why)
    return [
        Reopened(one.job_id, one.org_id, one.first, one.run, told[one.job_id]) if isinstance(one, Reopened) else one
        for one in found
    ]


@dataclass(frozen=True)
class _Plan:
    """keeps: the parts of the first stage that succeeded are left alone."""

    first: StageName
    keeps: bool
    row: RowMapping


def _plan(one: Revival, row: RowMapping | None, held: Sequence[Held], *, is_again: bool) -> _Plan:
    if row is None:
        raise JobUnknown(f"There is no job {one.job_id}.", cure="List them: vedette jobs list")
    if is_again or not _is_over(row, held):
        state = "being revived" if is_again else row["state"]
        raise JobNotOver(f"Job {one.job_id} is {state}.", cure="Wait for its end, or cancel it: vedette jobs cancel")
    of_run = [step for step in held if not step.is_ordered]
    undone = [step.stage for step in of_run if step.state in OVER - DONE or not (step.part or step.state in DONE)]
    if one.first is None and not undone:
        raise NothingFailed(
            f"Every stage of job {one.job_id} succeeded.",
            cure="Do one again: vedette jobs resume --from STAGE; or all: vedette jobs rerun",
        )
    first = one.first or undone[0]
    if missing := [step.stage for step in held if not step.part and step.state not in DONE and _is_before(step, first)]:
        raise StageMissing(
            f"Job {one.job_id} cannot go on from {first}: its stage {missing[0]} has not succeeded.",
            cure=f"Resume it from {missing[0]}.",
        )
    return _Plan(first, one.first is None, row)


def _is_over(row: RowMapping, held: Sequence[Held]) -> bool:
    """A job that failed, and of whose failure only nobody was told yet, is as good as over."""
    open_steps = [step for step in held if step.state not in OVER]
    is_untold = all(step.stage is STAGES[-1] and step.state is StepState.PENDING for step in open_steps)
    return row["finished_at"] is not None or (row["failure"] is not None and not row["cancelled_at"] and is_untold)


def _is_before(step: Held, first: StageName) -> bool:
    return STAGES.index(step.stage) < STAGES.index(first)


def _write(connection: Connection, plans: dict[str, _Plan], *, by: str, why: str) -> dict[str, list[Event]]:
    if not plans:
        return {}
    at = now()
    alike: dict[tuple[StageName, bool], list[str]] = {}
    for job_id, plan in plans.items():
        alike.setdefault((plan.first, plan.keeps), []).append(job_id)
    for (first, keeps), ids in alike.items():
        _reset(connection, ids, first, at, keeps=keeps)
        _discard(connection, ids, first, keeps=keeps)
    traces = {job_id: _trace(job_id, plan.row) for job_id, plan in plans.items()}
    connection.execute(_REOPEN, [_job(job_id, plan, traces[job_id], at) for job_id, plan in plans.items()])
    quotas.queue(connection, [(plan.row["org_id"], job_id) for job_id, plan in plans.items()])
    told: dict[str, list[Event]] = {job_id: [] for job_id in plans}
    facts = [fact for job_id, plan in plans.items() for fact in _facts(job_id, plan, by, why)]
    for event in add(connection, facts):
        told[event.job_id].append(event)
    return told


def _reset(connection: Connection, ids: Sequence[str], first: StageName, at: datetime, *, keeps: bool) -> None:
    theirs = and_(steps.c.job_id.in_(ids), steps.c.stage.in_(_from(first)))
    if keeps:
        theirs &= not_(and_(steps.c.stage == first, steps.c.part != "", steps.c.state == StepState.SUCCEEDED))
    connection.execute(update(steps).where(theirs).values(**AFRESH))
    of_stage = and_(steps.c.job_id.in_(ids), steps.c.stage == first, steps.c.part == "")
    connection.execute(update(steps).where(of_stage).values(ready_at=at))


def _discard(connection: Connection, ids: Sequence[str], first: StageName, *, keeps: bool) -> None:
    """Take away what is made again: nobody should read it as a result of the new run."""
    for stage in _from(first):
        for table in RESULTS[stage] if not (keeps and stage is first) else ():
            connection.execute(delete(table).where(table.c.job_id.in_(ids)))
    if StageName.PROCESS in _from(first):
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(score=None, grade=None, severities={}))


def _trace(job_id: str, row: RowMapping) -> tuple[str, str]:
    return telemetry.job_trace(job_id, row["org_id"], row["kind"], linked_to=row["traceparent"])


def _job(job_id: str, plan: _Plan, trace: tuple[str, str], at: datetime) -> dict[str, object]:
    row = plan.row
    began_at = row["queued_at"] or row["created_at"]
    return {
        "of_job": job_id,
        "new_run": row["run"] + 1,
        "at": at,
        "new_deadline": at + (row["deadline_at"] - began_at) if row["deadline_at"] else None,
        "new_trace_id": trace[0],
        "new_traceparent": trace[1],
    }


def _facts(job_id: str, plan: _Plan, by: str, why: str) -> list[Fact]:
    row = plan.row
    data = {"run": row["run"] + 1, "from": plan.first.value, "by": by, "why": why, "last_trace_id": row["trace_id"]}
    return [
        Fact(row["org_id"], job_id, EventType.JOB_REVIVED, data=data),
        Fact(row["org_id"], job_id, EventType.JOB_QUEUED, data={"lane": row["lane"]}),
    ]


def _from(first: StageName) -> tuple[StageName, ...]:
    return STAGES[STAGES.index(first) :]


_SELECT = select(
    *(jobs.c.id, jobs.c.org_id, jobs.c.state, jobs.c.lane, jobs.c.run, jobs.c.failure, jobs.c.cancelled_at),
    *(jobs.c.created_at, jobs.c.queued_at, jobs.c.finished_at, jobs.c.deadline_at, jobs.c.trace_id, jobs.c.traceparent),
    jobs.c.kind,
)
_REOPEN = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"))
    .values(
        state=JobState.QUEUED.value,
        run=bindparam("new_run"),
        queued_at=bindparam("at"),
        deadline_at=bindparam("new_deadline"),
        trace_id=bindparam("new_trace_id"),
        traceparent=bindparam("new_traceparent"),
        cancelled_by="",
        **dict.fromkeys(("failure", "started_at", "finished_at", "published_at", "due_at", "cancelled_at", "held_at")),
    )
)
