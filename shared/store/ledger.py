"""The step ledger: the rows that say what was done. Written by `shared.layers.ledger` alone.

A step is `(job, stage, part)`. Whoever takes it gets a new `delivery`, the fencing token: an end is written only by
the delivery that took it last, in one transaction with the step's result. The state of the job follows from its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, bindparam, case, func, select, update

from shared.contracts.events import Event, EventType
from shared.contracts.job import Failure, JobState, Progress, StageName, StepState
from shared.errors import Conflict, NotFound
from shared.ids import new_id, now
from shared.store.engine import insert_missing
from shared.store.jobs import STAGES, seconds
from shared.store.tables import Moment, jobs, steps
from shared.store.timeline import Fact, add

DONE = frozenset({StepState.SUCCEEDED, StepState.SKIPPED})
OVER = DONE | {StepState.FAILED, StepState.CANCELLED}


class StepUnknown(NotFound):
    """The message names a job or step that is not in the ledger."""


class Superseded(Conflict):
    """Another delivery took the step meanwhile; what this one did is rolled back."""


@dataclass(frozen=True)
class Key:
    """Which step."""

    job_id: str
    org_id: str
    stage: StageName
    part: str = ""


@dataclass(frozen=True)
class Taken:
    """A step in somebody's hands. `state` is what it was before: a step that is over must not be run again.

    retries: attempts that failed and were put off.  lost: deliveries whose worker died before their end.
    """

    key: Key
    delivery: str
    attempt: int
    state: StepState
    retries: int = 0
    lost: int = 0
    failure: Failure | None = None
    events: Sequence[Event] = ()

    @property
    def is_over(self) -> bool:
        return self.state in OVER


def take(connection: Connection, key: Key, *, worker: str, lease_until: datetime) -> Taken:
    """Mark a step as running, unless it is over. Raises StepUnknown."""
    mark = {"at": now(), "new_delivery": new_id(), "new_worker": worker, "new_lease": lease_until}
    row = connection.execute(_TAKE, _keys(key) | mark).one_or_none()
    if row is None:
        return _over(connection, key)
    told = [_fact(key, EventType.STAGE_STARTED, {"attempt": row.attempt, "worker": worker})]
    if not key.part and (key.stage is STAGES[0] or row.attempt > 1):  # else the job runs already
        started_at = connection.execute(_START_JOB, {"of_job": key.job_id, "at": mark["at"]}).scalar_one_or_none()
        if started_at == mark["at"]:
            told.insert(0, _fact(key, EventType.JOB_STARTED, stage=""))
    told_events = add(connection, told)
    return Taken(
        key, str(mark["new_delivery"]), row.attempt, StepState.RUNNING, row.retries, row.lost, None, told_events
    )


def state(connection: Connection, key: Key) -> StepState:
    """Return the state of a step. Raises StepUnknown."""
    return _over(connection, key).state


def _over(connection: Connection, key: Key) -> Taken:
    row = connection.execute(_SELECT_STEP, _keys(key)).one_or_none()
    if row is None:
        raise StepUnknown(
            f"Job {key.job_id} has no step {key.stage} {key.part}".rstrip() + ".", cure="It may have been deleted."
        )
    failure = Failure.model_validate(row.failure) if row.failure else None
    return Taken(key, "", row.attempt, StepState(row.state), failure=failure)


def finish(connection: Connection, taken: Taken, *, summary: str) -> list[Event]:
    """Mark a step as succeeded and what follows from it. Raises Superseded."""
    _end(connection, taken, StepState.SUCCEEDED, summary=summary, failure=None)
    told = [_fact(taken.key, EventType.STAGE_FINISHED, {"summary": summary, "attempt": taken.attempt})]
    following = STAGES[min(STAGES.index(taken.key.stage) + 1, len(STAGES) - 1)]
    return _go_on(connection, taken.key, following, told)


def fail(connection: Connection, taken: Taken, failure: Failure) -> list[Event]:
    """Mark a step as failed for good. A failed stage skips the stages between it and the last, which tells of it.

    Raises Superseded.
    """
    key = taken.key
    _end(connection, taken, StepState.FAILED, summary="", failure=failure.model_dump(mode="json"))
    if not key.part:
        skipped = [stage.value for stage in STAGES[STAGES.index(key.stage) + 1 : -1]]
        connection.execute(
            update(steps)
            .where(steps.c.job_id == key.job_id, steps.c.stage.in_([*skipped, key.stage]), steps.c.state.notin_(OVER))
            .values(state=StepState.SKIPPED, finished_at=now())
        )
        first = update(jobs).where(jobs.c.id == key.job_id, jobs.c.failure.is_(None))  # later ones follow from it
        connection.execute(first.values(failure=failure.model_dump(mode="json")))
    return _go_on(connection, key, STAGES[-1], [_fact(key, EventType.STAGE_FAILED, failure.model_dump(mode="json"))])


def retry(connection: Connection, taken: Taken, failure: Failure, next_attempt_at: datetime) -> list[Event]:
    """Mark a step as waiting for its next attempt. Raises Superseded."""
    key = taken.key
    values = {
        "state": StepState.RETRYING,
        "retries": steps.c.retries + 1,
        "failure": failure.model_dump(mode="json"),
        "next_attempt_at": next_attempt_at,
        "progress": None,
    }
    if not connection.execute(update(steps).where(_held(taken)).values(**values)).rowcount:
        raise _superseded(taken)
    if not key.part:
        connection.execute(update(jobs).where(jobs.c.id == key.job_id).values(state=JobState.RETRYING))
    at = next_attempt_at.isoformat()
    return add(
        connection, [_fact(key, EventType.STAGE_RETRYING, {**failure.model_dump(mode="json"), "next_attempt_at": at})]
    )


def progress(connection: Connection, taken: Taken, so_far: Progress) -> None:
    """Keep how far a step is. Raises Superseded."""
    if not connection.execute(
        update(steps).where(_held(taken)).values(progress=so_far.model_dump(mode="json"))
    ).rowcount:
        raise _superseded(taken)


def add_parts(connection: Connection, job_id: str, stage: StageName, names: Sequence[str]) -> None:
    """Add parts to a stage that are only known when it runs; those that exist stay as they are."""
    at = now()
    rows = [
        {"job_id": job_id, "stage": stage, "part": name, "state": StepState.PENDING, "ready_at": at} for name in names
    ]
    insert_missing(connection, steps, rows)


def _end(
    connection: Connection, taken: Taken, ended: StepState, *, summary: str, failure: dict[str, Any] | None
) -> None:
    values = {"new_state": ended, "new_summary": summary, "new_failure": failure, "at": now()}
    if not connection.execute(_END, {**_keys(taken.key), "mine": taken.delivery, **values}).rowcount:
        raise _superseded(taken)


def _go_on(connection: Connection, key: Key, following: StageName, told: list[Fact]) -> list[Event]:
    """Make the following stage ready; where there is none, or it is over, the job ends when all its stages have."""
    if key.part or connection.execute(_READY, {"of_job": key.job_id, "of_stage": following, "at": now()}).rowcount:
        return add(connection, told)
    rows = connection.execute(_SELECT_STATES, {"of_job": key.job_id}).mappings().all()
    if all(row["state"] in OVER for row in rows if not row["part"]):
        told.append(_end_job(connection, key, rows))
    return add(connection, told)


def _end_job(connection: Connection, key: Key, rows: Sequence[RowMapping]) -> Fact:
    at = now()
    state = outcome([(row["stage"], row["part"], StepState(row["state"])) for row in rows])
    connection.execute(_END_JOB, {"of_job": key.job_id, "new_state": state, "at": at})
    total_s = seconds(rows[0]["job_created_at"], at)
    return _fact(key, EventType.JOB_FINISHED, {"state": state, "total_s": total_s}, stage="")


def outcome(ended: Sequence[tuple[str, str, StepState]]) -> JobState:
    """Return the state of a job whose stages are over, given (stage, part, state) of each step.

    A job whose last stage failed is partial: its result is there, only somebody was not told of it.
    """
    if any(state is StepState.CANCELLED for _, part, state in ended if not part):
        return JobState.CANCELLED
    failed = [(stage, part) for stage, part, state in ended if state is StepState.FAILED]
    if any(not part and stage != STAGES[-1] for stage, part in failed):
        return JobState.FAILED
    return JobState.PARTIAL if failed else JobState.SUCCEEDED


def _fact(key: Key, kind: EventType, data: dict[str, Any] | None = None, *, stage: str | None = None) -> Fact:
    is_job = stage == ""
    return Fact(key.org_id, key.job_id, kind, "" if is_job else key.stage, "" if is_job else key.part, data or {})


def _keys(key: Key) -> dict[str, str]:
    return {"of_job": key.job_id, "of_stage": key.stage, "of_part": key.part}


def _held(taken: Taken) -> ColumnElement[bool]:
    key = taken.key
    return and_(
        steps.c.job_id == key.job_id,
        steps.c.stage == key.stage,
        steps.c.part == key.part,
        steps.c.delivery == taken.delivery,
        _NOT_OVER,
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
_NOT_OVER = steps.c.state.notin_([state.value for state in sorted(OVER)])
_SELECT_STEP = select(steps.c.state, steps.c.attempt, steps.c.failure).where(_OF_STEP)
_TAKE = (
    update(steps)
    .where(_OF_STEP, _NOT_OVER)
    .values(
        state=StepState.RUNNING.value,
        attempt=steps.c.attempt + 1,
        lost=steps.c.lost + case((steps.c.state == StepState.RUNNING.value, 1), else_=0),
        delivery=bindparam("new_delivery"),
        worker=bindparam("new_worker"),
        lease_until=bindparam("new_lease"),
        started_at=func.coalesce(steps.c.started_at, bindparam("at", type_=Moment())),
        next_attempt_at=None,
        failure=None,
    )
    .returning(steps.c.attempt, steps.c.retries, steps.c.lost)
)
_START_JOB = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), jobs.c.state.in_([JobState.QUEUED.value, JobState.RETRYING.value]))
    .values(state=JobState.RUNNING.value, started_at=func.coalesce(jobs.c.started_at, bindparam("at", type_=Moment())))
    .returning(jobs.c.started_at)
)
_END = (
    update(steps)
    .where(_OF_STEP, _NOT_OVER, steps.c.delivery == bindparam("mine"))
    .values(
        state=bindparam("new_state"),
        summary=bindparam("new_summary"),
        failure=bindparam("new_failure"),
        finished_at=bindparam("at"),
        progress=None,
        lease_until=None,
    )
)
_SELECT_STATES = (
    select(steps.c.stage, steps.c.part, steps.c.state, jobs.c.created_at.label("job_created_at"))
    .join(jobs, jobs.c.id == steps.c.job_id)
    .where(steps.c.job_id == bindparam("of_job"))
)
_READY = (
    update(steps)
    .where(steps.c.job_id == bindparam("of_job"), steps.c.stage == bindparam("of_stage"), _NOT_OVER)
    .values(ready_at=func.coalesce(steps.c.ready_at, bindparam("at", type_=Moment())))
)
_END_JOB = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"))
    .values(state=bindparam("new_state"), finished_at=bindparam("at"))
)
