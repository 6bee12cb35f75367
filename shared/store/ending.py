"""How a job ends: its state follows from its steps, all of which are over."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from shared.contracts.events import EventType
from shared.contracts.job import Failure, JobState, StageName, StepState
from shared.ids import now, seconds
from shared.store import locks
from shared.store.step import OVER, STAGES
from shared.store.tables import jobs, steps
from shared.store.timeline import Fact

NOT_OVER = steps.c.state.notin_([state.value for state in sorted(OVER)])


def outcome(ended: Sequence[tuple[str, str, StepState]], failure: Failure | None = None) -> JobState:
    """Return the state of a job whose stages are over, given (stage, part, state) of each step.

    failure: the one that decided. A job whose last stage failed is partial: its result is there, only somebody was
    not told of it.
    """
    if any(state is StepState.CANCELLED for _, part, state in ended if not part):
        return JobState.CANCELLED
    failed = [(stage, part) for stage, part, state in ended if state is StepState.FAILED]
    if any(not part and stage != STAGES[-1] for stage, part in failed):
        return JobState.DEAD if failure and failure.is_dead else JobState.FAILED
    return JobState.PARTIAL if failed else JobState.SUCCEEDED


def settle(connection: Connection, org_id: str, job_id: str) -> list[Fact]:
    """End the job if all its stages are over. One that was cancelled ends as that, whatever its stages came to."""
    rows = connection.execute(_SELECT_STATES, {"of_job": job_id}).mappings().all()
    if not all(row["state"] in OVER for row in rows if not row["part"]):
        return []
    if rows[0]["cancelled_at"]:
        return stop(connection, org_id, job_id)
    failure = Failure.model_validate(rows[0]["failure"]) if rows[0]["failure"] else None
    state = outcome([(row["stage"], row["part"], StepState(row["state"])) for row in rows], failure)
    return _end(connection, org_id, rows[0], state)


def stop(connection: Connection, org_id: str, job_id: str) -> list[Fact]:
    """End a job as cancelled, with all its steps that are not over, whoever has them."""
    locks.hold(connection, [job_id], NOT_OVER)  # who calls may have ended the last one, and who cancels want that next
    at = now()
    ended = connection.execute(_CANCEL_STEPS, {"of_job": job_id, "at": at}).all()
    told = [
        Fact(org_id, job_id, EventType.STAGE_CANCELLED, row.stage)
        for row in sorted(ended, key=lambda row: STAGES.index(StageName(row.stage)))
        if row.started_at and not row.part
    ]
    rows = connection.execute(_SELECT_STATES, {"of_job": job_id}).mappings().all()
    return told + _end(connection, org_id, rows[0], JobState.CANCELLED)


def _end(connection: Connection, org_id: str, row: RowMapping, state: JobState) -> list[Fact]:
    at = now()
    if not connection.execute(_END_JOB, {"of_job": row["job_id"], "new_state": state, "at": at}).rowcount:
        return []
    data = {"state": state, "kind": row["kind"], "total_s": seconds(row["queued_at"], at)}
    if row["cancelled_by"]:
        data["by"] = row["cancelled_by"]
    return [Fact(org_id, row["job_id"], EventType.JOB_FINISHED, data=data)]


_SELECT_STATES = (
    select(
        *(steps.c.job_id, steps.c.stage, steps.c.part, steps.c.state),
        *(jobs.c.kind, jobs.c.queued_at, jobs.c.failure, jobs.c.cancelled_at, jobs.c.cancelled_by),
    )
    .join(jobs, jobs.c.id == steps.c.job_id)
    .where(steps.c.job_id == bindparam("of_job"), steps.c.ordered_at.is_(None))
)
_END_JOB = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), jobs.c.finished_at.is_(None))
    .values(state=bindparam("new_state"), finished_at=bindparam("at"))
)
_CANCEL_STEPS = (
    update(steps)
    .where(steps.c.job_id == bindparam("of_job"), NOT_OVER)
    .values(state=StepState.CANCELLED.value, finished_at=bindparam("at"), next_attempt_at=None, progress=None)
    .returning(steps.c.stage, steps.c.part, steps.c.started_at)
)
