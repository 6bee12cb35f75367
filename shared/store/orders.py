"""Reports that are ordered of a job that is over: each a part of its report stage, with a message of its own.

The job stays as it ended. Only its file is new, and what the timeline says of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from shared.contracts.events import Event, EventType
from shared.contracts.job import Failure, Progress, StageName, StepState
from shared.contracts.report import ReportOrder
from shared.errors import Conflict, NotFound, Temporary
from shared.ids import now
from shared.store import locks, reports
from shared.store.locks import Held
from shared.store.revival import AFRESH, JobNotOver
from shared.store.step import DONE, OVER, STAGES, Key
from shared.store.tables import jobs, steps
from shared.store.timeline import add

REPORT = StageName.REPORT
MOST = 500  # of one organisation that are not made yet; a worker makes some in a second
_BEFORE = STAGES[: STAGES.index(REPORT)]


class NothingToReport(Conflict):
    """The job has no result of which a report could be made."""


class OrderNotFound(NotFound):
    """Nobody asked for a report of this format."""


class TooManyOrders(Temporary):
    """An organisation has ordered as many reports as it may before some are made."""

    status = 429
    headers = {"Retry-After": "10"}


@dataclass(frozen=True)
class Ordered:
    """is_new: whether there is something to be sent."""

    key: Key
    is_new: bool
    events: list[Event]


def place(connection: Connection, job_id: str, form: str, by: str, *, is_bounded: bool = True) -> Ordered:
    """Order a report of a job that is over, unless it is there or on its way. One that failed is tried anew.

    is_bounded: whether there may be only so many.  Raises JobNotOver, NothingToReport or TooManyOrders.
    """
    held = locks.hold(connection, [job_id])
    job = connection.execute(_SELECT_JOB.where(jobs.c.id == job_id)).mappings().one()
    _check(job_id, job, held)
    key = Key(job_id, job["org_id"], REPORT, form, job["run"])
    known = next((step for step in held if (step.stage, step.part) == (REPORT, form)), None)
    if known and (known.state not in OVER or (known.state in DONE and _is_there(connection, key))):
        return Ordered(key, is_new=False, events=[])
    if is_bounded:
        _check_room(connection, key.org_id)
    return Ordered(key, is_new=True, events=_write(connection, key, by, is_known=known is not None))


def view(connection: Connection, job_id: str, form: str) -> ReportOrder:
    """Return how far a report is, whether ordered or part of the job. Raises OrderNotFound."""
    row = connection.execute(_SELECT_STEP.where(*_of(job_id, form))).mappings().one_or_none()
    if row is None:
        raise OrderNotFound(
            f"Nobody asked for a {form[:32]} report of job {job_id}.",
            cure=f"Ask for it: vedette report create {job_id[-8:]} --format {form[:32]}",
        )
    return ReportOrder(
        job_id=job_id,
        format=form,
        state=StepState(row["state"]),
        attempt=row["attempt"],
        progress=Progress.model_validate(row["progress"]) if row["progress"] else None,
        failure=Failure.model_validate(row["failure"]) if row["failure"] else None,
        next_attempt_at=row["next_attempt_at"],
        report=next((one for one in reports.of_job(connection, job_id) if one.format == form), None),
    )


def _check(job_id: str, job: RowMapping, held: list[Held]) -> None:
    if job["finished_at"] is None:
        raise JobNotOver(
            f"Job {job_id} is {job['state']}; a further report can be made of one that is over.",
            cure=f"Wait for its end: vedette jobs watch {job_id[-8:]}",
        )
    states = {step.stage: step.state for step in held if not step.part}
    if job["cancelled_at"] is not None or any(states.get(stage) not in DONE for stage in _BEFORE):
        raise NothingToReport(
            f"Job {job_id} is {job['state']}: there is no result to make a report of.",
            cure=f"See why: vedette jobs explain {job_id[-8:]}",
        )


def _check_room(connection: Connection, org_id: str) -> None:
    waiting = select(func.count()).select_from(steps).where(steps.c.org_id == org_id, *_WAITING)
    if connection.execute(waiting).scalar_one() >= MOST:
        raise TooManyOrders(
            f"{MOST} reports that the organisation ordered are not made yet.", cure="Wait until some are."
        )


def _is_there(connection: Connection, key: Key) -> bool:
    return any(one.format == key.part for one in reports.of_job(connection, key.job_id))


def _write(connection: Connection, key: Key, by: str, *, is_known: bool) -> list[Event]:
    at = now()
    if is_known:
        afresh = {**AFRESH, "ready_at": at, "ordered_at": at}
        connection.execute(update(steps).where(*_of(key.job_id, key.part)).values(**afresh))
    else:
        mine = {"org_id": key.org_id, "job_id": key.job_id, "stage": key.stage, "part": key.part}
        connection.execute(insert(steps), mine | {"state": StepState.PENDING, "ready_at": at, "ordered_at": at})
    return add(connection, [key.fact(EventType.REPORT_ORDERED, {"by": by})])


def _of(job_id: str, form: str) -> tuple[ColumnElement[bool], ...]:
    return steps.c.job_id == job_id, steps.c.stage == REPORT, steps.c.part == form


_WAITING = (steps.c.ordered_at.is_not(None), steps.c.finished_at.is_(None))  # as an index has it
_SELECT_JOB = select(*(jobs.c[name] for name in ("org_id", "run", "state", "finished_at", "cancelled_at")))
_SELECT_STEP = select(*(steps.c[name] for name in ("state", "attempt", "progress", "failure", "next_attempt_at")))
