"""Cancelling jobs: what nobody has begun is cancelled at once; what runs ends when its stage notices.

Lock order as everywhere in the ledger: steps in the order of their stages, then their job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, select, update

from shared.contracts.events import Event, EventType
from shared.contracts.job import JobState, StepState
from shared.ids import now
from shared.store import ending, locks
from shared.store.tables import jobs, steps
from shared.store.timeline import Fact, add


@dataclass(frozen=True)
class Cancelled:
    """What a cancellation came to. state: of the job now, None when there is no such job.

    is_new: this call changed it; else it had been cancelled before, or was over.
    """

    job_id: str
    state: JobState | None
    is_new: bool = False
    events: Sequence[Event] = ()


def cancel(connection: Connection, ids: Sequence[str], org_id: str, by: str) -> list[Cancelled]:
    """Cancel jobs of an organisation; what became of each, in the order of `ids`. Twice is once."""
    held = locks.hold(connection, ids)
    columns = (jobs.c.id, jobs.c.state, jobs.c.cancelled_at, jobs.c.finished_at)
    query = select(*columns).where(jobs.c.id.in_(ids), jobs.c.org_id == org_id)
    rows = {row["id"]: row for row in connection.execute(query).mappings()}
    fresh = [job_id for job_id in dict.fromkeys(ids) if job_id in rows and not _is_decided(rows[job_id])]
    running = {step.job_id for step in held if step.state is StepState.RUNNING and not step.part}
    told = _cancel(connection, fresh, running, Fact(org_id, "", EventType.JOB_CANCELLING, data={"by": by}))
    made = {}
    for job_id in fresh:
        state = JobState.CANCELLING if job_id in running else JobState.CANCELLED
        made[job_id] = Cancelled(job_id, state, True, [event for event in told if event.job_id == job_id])
    return [made.get(job_id) or Cancelled(job_id, _state(rows.get(job_id))) for job_id in ids]


def confirm_cancelled(connection: Connection, job_id: str) -> list[Event]:
    """End a job that is `cancelling`: its stage has stopped, or its worker is gone. Others are left as they are."""
    locks.hold(connection, [job_id])  # before the job is looked at: somebody may be ending it
    query = select(jobs.c.org_id).where(jobs.c.id == job_id, jobs.c.cancelled_at.is_not(None))
    org_id = connection.execute(query.where(jobs.c.finished_at.is_(None))).scalar_one_or_none()
    return add(connection, ending.stop(connection, org_id, job_id)) if org_id else []


def _cancel(connection: Connection, ids: Sequence[str], running: set[str], said: Fact) -> list[Event]:
    """Write who cancelled these jobs, cancel what of them nobody has, and end those of which nothing runs."""
    if not ids:
        return []
    at, by = now(), said.data["by"]
    idle = [StepState.PENDING.value, StepState.RETRYING.value]
    connection.execute(
        update(steps)
        .where(steps.c.job_id.in_(ids), steps.c.state.in_(idle))
        .values(state=StepState.CANCELLED, finished_at=at, next_attempt_at=None)
    )
    state = {True: JobState.CANCELLING, False: JobState.CANCELLED}
    facts = []
    for is_running in (True, False):
        these = [job_id for job_id in ids if (job_id in running) is is_running]
        values = {"state": state[is_running], "cancelled_at": at, "cancelled_by": by, "failure": None}
        values |= {} if is_running else {"finished_at": at}
        connection.execute(update(jobs).where(jobs.c.id.in_(these)).values(**values))
        kind = EventType.JOB_CANCELLING if is_running else EventType.JOB_FINISHED
        data = said.data if is_running else {**said.data, "state": JobState.CANCELLED}
        facts += [Fact(said.org_id, job_id, kind, data=data) for job_id in these]
    return add(connection, facts)


def _is_decided(row: RowMapping) -> bool:
    return row["finished_at"] is not None or row["cancelled_at"] is not None


def _state(row: RowMapping | None) -> JobState | None:
    return JobState(row["state"]) if row else None
