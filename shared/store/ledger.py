"""The step ledger: the rows that say what was done. Written by `shared.layers.ledger` alone.

A step is `(job, stage, part)`. Whoever takes it gets a new `delivery`, the fencing token: an end is written only by
the delivery that took it last, in one transaction with the step's result. The state of the job follows from its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, exists, func, or_, select, update

from shared.contracts.events import Event, EventType
from shared.contracts.job import Failure, JobState, Progress, StageName, StepState
from shared.ids import new_id, now, seconds
from shared.store import ending, locks
from shared.store.ending import NOT_OVER, outcome
from shared.store.engine import insert_missing
from shared.store.step import DONE, OVER, STAGES, Key, StepHeld, StepUnknown, Superseded, Taken
from shared.store.tables import Moment, jobs, steps
from shared.store.timeline import Fact, add

__all__ = ["DONE", "OVER", "Key", "StepHeld", "StepUnknown", "Superseded", "Taken", "outcome"]


def take(connection: Connection, key: Key, *, worker: str, message: str = "", abandoned: str = "") -> Taken:
    """Mark a step as running, unless it is over. Raises StepUnknown, and StepHeld where another message runs the stage.

    A step of a job that somebody cancelled, or of an earlier run, is over; the cancelled job ends with it.
    message: the tag of the message that asks.  abandoned: that of one which has the step, but nobody has it any more.
    """
    at = now()
    mark = {"at": at, "new_delivery": new_id(), "new_worker": worker, "of_run": key.run}
    mark |= {"new_message": message, "old_message": abandoned}
    row = connection.execute(_TAKE, _keys(key) | mark).one_or_none()
    if row is None:
        return _refuse(connection, key)
    waited_s = seconds(row.ready_at, at) if row.attempt == 1 else None  # later ones have had their back-off
    told = [key.fact(EventType.STAGE_STARTED, {"attempt": row.attempt, "worker": worker, "waited_s": waited_s})]
    if not key.part and (key.stage is STAGES[0] or row.attempt > 1 or key.run > 1):  # else the job runs already
        started_at = connection.execute(_START_JOB, {"of_job": key.job_id, "at": mark["at"]}).scalar_one_or_none()
        if started_at == mark["at"]:
            told.insert(0, Fact(key.org_id, key.job_id, EventType.JOB_STARTED))
    told_events = add(connection, told)
    return Taken(
        key, str(mark["new_delivery"]), row.attempt, StepState.RUNNING, row.retries, row.lost, None, told_events
    )


def state(connection: Connection, key: Key) -> StepState:
    """Return the state of a step; to whoever is of an earlier run it is cancelled. Raises StepUnknown."""
    return _found(connection, key).state


def is_cancelled(connection: Connection, job_id: str) -> bool:
    """Whether somebody cancelled the job, whatever has become of that."""
    return bool(connection.execute(_SELECT_CANCELLED, {"of_job": job_id}).scalar_one_or_none())


def _refuse(connection: Connection, key: Key) -> Taken:
    found = _found(connection, key)
    if found.is_over:
        return found
    if not is_cancelled(connection, key.job_id):
        raise StepHeld(connection.execute(_SELECT_MESSAGE, _keys(key)).scalar_one())
    told = add(connection, ending.stop(connection, key.org_id, key.job_id))
    return Taken(key, "", found.attempt, StepState.CANCELLED, events=told)


def _found(connection: Connection, key: Key) -> Taken:
    row = connection.execute(_SELECT_STEP, _keys(key)).one_or_none()
    if row is None:
        raise StepUnknown(
            f"Job {key.job_id} has no step {key.stage} {key.part}".rstrip() + ".", cure="It may have been deleted."
        )
    if row.run != key.run:
        return Taken(key, "", row.attempt, StepState.CANCELLED)
    failure = Failure.model_validate(row.failure) if row.failure else None
    return Taken(key, "", row.attempt, StepState(row.state), failure=failure)


def finish(connection: Connection, taken: Taken, *, summary: str) -> list[Event]:
    """Mark a step as succeeded and what follows from it. Raises Superseded."""
    _end(connection, taken, StepState.SUCCEEDED, summary=summary, failure=None)
    told = taken.key.fact(
        EventType.STAGE_FINISHED, {"summary": summary, "attempt": taken.attempt, "ran_s": taken.ran_s}
    )
    return _go_on(connection, taken.key, _after(taken.key.stage), told)


def skip(connection: Connection, key: Key, *, summary: str) -> list[Event]:
    """Take a step as done that nobody has: its turn has come, and somebody else did its work. No event without one."""
    values = {"state": StepState.SKIPPED, "summary": summary, "finished_at": now()}
    mine = (steps.c.job_id == key.job_id, steps.c.stage == key.stage, steps.c.part == "")
    free = (steps.c.state == StepState.PENDING, steps.c.ready_at.is_not(None))
    if not connection.execute(update(steps).where(*mine, *free).values(**values)).rowcount:
        return []
    # Parts that are left pending would be taken for a stage that has its turn: the job would never end.
    parts = (steps.c.job_id == key.job_id, steps.c.stage == key.stage, steps.c.state == StepState.PENDING)
    connection.execute(update(steps).where(*parts).values(**values))
    told = key.fact(EventType.STAGE_FINISHED, {"summary": summary, "is_skipped": True})
    return _go_on(connection, key, _after(key.stage), told)


def fail(connection: Connection, taken: Taken, failure: Failure) -> list[Event]:
    """Mark a step as failed for good. A failed stage skips the stages between it and the last, which tells of it.

    Raises Superseded.
    """
    _end(connection, taken, StepState.FAILED, summary="", failure=failure.model_dump(mode="json"))
    return _follow_failure(connection, taken.key, failure)


def bury(
    connection: Connection, job_id: str, org_id: str | None, stage: StageName, failure: Failure, *, run: int = 0
) -> list[Event]:
    """Mark a stage as failed that nobody will finish, whoever had it; what follows is as after `fail`.

    Of a failure of a part that was ordered, only that part has failed.

    Nothing happens to a step that is over or whose turn has not come, nor to a job of another organisation (None: any)
    or in another run (0: any).
    """
    row = connection.execute(select(jobs.c.org_id, jobs.c.run).where(jobs.c.id == job_id)).one_or_none()
    if row is None or (org_id and org_id != row.org_id) or (run and run != row.run):
        return []
    key = Key(job_id, row.org_id, stage, failure.part, row.run)
    values = {"state": StepState.FAILED, "summary": "", "failure": failure.model_dump(mode="json")}
    ended = {"finished_at": now(), "progress": None, "next_attempt_at": None}
    mine = (steps.c.job_id == job_id, steps.c.stage == stage, steps.c.part == key.part, steps.c.ready_at.is_not(None))
    if not connection.execute(update(steps).where(*mine, NOT_OVER).values(**values, **ended)).rowcount:
        return []
    return _follow_failure(connection, key, failure)


def retry(
    connection: Connection, taken: Taken, failure: Failure, next_attempt_at: datetime, *, is_attempt: bool = True
) -> list[Event]:
    """Mark a step as waiting for its next attempt; a job that somebody cancelled ends instead. Raises Superseded.

    is_attempt: whether this one counts towards the retries.
    """
    key = taken.key
    values = {
        "state": StepState.RETRYING,
        "retries": steps.c.retries + int(is_attempt),
        "failure": failure.model_dump(mode="json"),
        "next_attempt_at": next_attempt_at,
        "progress": None,
    }
    if not connection.execute(update(steps).where(_held(taken)).values(**values)).rowcount:
        raise _superseded(taken)
    if not key.part and not connection.execute(_PUT_JOB_OFF, {"of_job": key.job_id}).rowcount:
        return add(connection, ending.stop(connection, key.org_id, key.job_id))
    at = next_attempt_at.isoformat()
    return add(
        connection, [key.fact(EventType.STAGE_RETRYING, {**failure.model_dump(mode="json"), "next_attempt_at": at})]
    )


def progress(connection: Connection, taken: Taken, so_far: Progress) -> None:
    """Keep how far a step is. Raises Superseded."""
    if not connection.execute(
        update(steps).where(_held(taken)).values(progress=so_far.model_dump(mode="json"))
    ).rowcount:
        raise _superseded(taken)


def parts(connection: Connection, key: Key) -> list[str]:
    """Return the parts of a stage that are of the run, not ordered after it."""
    mine = (steps.c.job_id == key.job_id, steps.c.stage == key.stage, steps.c.part != "", steps.c.ordered_at.is_(None))
    return list(connection.execute(select(steps.c.part).where(*mine).order_by(steps.c.part)).scalars())


def add_parts(connection: Connection, key: Key, names: Sequence[str]) -> None:
    """Add parts to a stage that are only known when it runs; those that exist stay as they are."""
    mine = {"org_id": key.org_id, "job_id": key.job_id, "stage": key.stage}
    rows = [{**mine, "part": name, "state": StepState.PENDING, "ready_at": now()} for name in names]
    insert_missing(connection, steps, rows)


def _end(
    connection: Connection, taken: Taken, ended: StepState, *, summary: str, failure: dict[str, Any] | None
) -> None:
    values = {"new_state": ended, "new_summary": summary, "new_failure": failure, "at": now()}
    if not connection.execute(_END, {**_keys(taken.key), "mine": taken.delivery, **values}).rowcount:
        raise _superseded(taken)


def _follow_failure(connection: Connection, key: Key, failure: Failure) -> list[Event]:
    said = failure.model_dump(mode="json")
    if not key.part:
        skipped = [stage.value for stage in STAGES[STAGES.index(key.stage) : -1]] or [key.stage]
        these = (steps.c.stage.in_(skipped), NOT_OVER)
        locks.hold(connection, [key.job_id], *these)  # in their order: one update takes them in any
        left_out = update(steps).where(steps.c.job_id == key.job_id, *these)
        connection.execute(left_out.values(state=StepState.SKIPPED, finished_at=now()))
        first = (jobs.c.id == key.job_id, jobs.c.failure.is_(None), jobs.c.cancelled_at.is_(None))  # later ones follow
        connection.execute(update(jobs).where(*first).values(failure=said))
    return _go_on(connection, key, STAGES[-1], key.fact(EventType.STAGE_FAILED, said))


def _after(stage: StageName) -> StageName:
    return STAGES[min(STAGES.index(stage) + 1, len(STAGES) - 1)]


def _go_on(connection: Connection, key: Key, following: StageName, told: Fact) -> list[Event]:
    """Make the following stage ready; where there is none, or it is over, the job ends when all its stages have."""
    mark = {"of_job": key.job_id, "of_stage": following, "at": now()}
    if key.part:
        return add(connection, [told])
    if following is key.stage:
        connection.execute(_LEAVE_PARTS, mark)  # of an earlier run; nobody will do them, and none is waited for
    elif connection.execute(_READY, mark).rowcount:
        return add(connection, [told])
    return add(connection, [told, *ending.settle(connection, key.org_id, key.job_id)])


def _keys(key: Key) -> dict[str, str]:
    return {"of_job": key.job_id, "of_stage": key.stage, "of_part": key.part}


def _held(taken: Taken) -> ColumnElement[bool]:
    key = taken.key
    return and_(
        steps.c.job_id == key.job_id,
        steps.c.stage == key.stage,
        steps.c.part == key.part,
        steps.c.delivery == taken.delivery,
        NOT_OVER,
    )


def _superseded(taken: Taken) -> Superseded:
    key = taken.key
    return Superseded(
        f"Step {key.stage} {key.part} of job {key.job_id} was taken by another delivery.".replace("  ", " ")
    )


# Built once: making a statement costs more than running it.
_OF_STEP = and_(
    steps.c.job_id == bindparam("of_job"), steps.c.stage == bindparam("of_stage"), steps.c.part == bindparam("of_part")
)
_OF_JOB = jobs.c.id == bindparam("of_job")
_IS_RUN = exists().where(_OF_JOB, jobs.c.run == bindparam("of_run"), jobs.c.cancelled_at.is_(None))
_SELECT_STEP = (
    select(steps.c.state, steps.c.attempt, steps.c.failure, jobs.c.run)
    .join(jobs, jobs.c.id == steps.c.job_id)
    .where(_OF_STEP)
)
_SELECT_MESSAGE = select(steps.c.message).where(_OF_STEP)
_SELECT_CANCELLED = select(jobs.c.cancelled_at).where(_OF_JOB)
_IS_FREE = or_(  # parts are of whoever has the stage
    steps.c.state != StepState.RUNNING.value,
    steps.c.part != "",
    steps.c.message.in_([bindparam("new_message"), bindparam("old_message"), ""]),
)
_TAKE = (
    update(steps)
    .where(_OF_STEP, NOT_OVER, _IS_RUN, _IS_FREE)
    .values(
        state=StepState.RUNNING.value,
        attempt=steps.c.attempt + 1,
        lost=steps.c.lost + case((steps.c.state == StepState.RUNNING.value, 1), else_=0),
        delivery=bindparam("new_delivery"),
        message=bindparam("new_message"),
        worker=bindparam("new_worker"),
        started_at=func.coalesce(steps.c.started_at, bindparam("at", type_=Moment())),
        next_attempt_at=None,
        failure=None,
    )
    .returning(steps.c.attempt, steps.c.retries, steps.c.lost, steps.c.ready_at)
)
_START_JOB = (
    update(jobs)
    .where(_OF_JOB, jobs.c.state.in_([JobState.QUEUED.value, JobState.RETRYING.value]))
    .values(
        state=JobState.RUNNING.value,
        started_at=func.coalesce(jobs.c.started_at, bindparam("at", type_=Moment())),
        published_at=func.coalesce(jobs.c.published_at, bindparam("at", type_=Moment())),
    )
    .returning(jobs.c.started_at)
)
_PUT_JOB_OFF = update(jobs).where(_OF_JOB, jobs.c.cancelled_at.is_(None)).values(state=JobState.RETRYING.value)
_END = (
    update(steps)
    .where(_OF_STEP, NOT_OVER, steps.c.delivery == bindparam("mine"))
    .values(
        state=bindparam("new_state"),
        summary=bindparam("new_summary"),
        failure=bindparam("new_failure"),
        finished_at=bindparam("at"),
        progress=None,
    )
)
_LEAVE_PARTS = (
    update(steps)
    .where(
        steps.c.job_id == bindparam("of_job"),
        steps.c.stage == bindparam("of_stage"),
        steps.c.part != "",
        steps.c.state == StepState.PENDING.value,
        steps.c.ordered_at.is_(None),
    )
    .values(state=StepState.SKIPPED.value, finished_at=bindparam("at", type_=Moment()))
)
_READY = (
    update(steps)
    .where(steps.c.job_id == bindparam("of_job"), steps.c.stage == bindparam("of_stage"), NOT_OVER)
    .values(ready_at=func.coalesce(steps.c.ready_at, bindparam("at", type_=Moment())))
)
