"""Which jobs a bulk cancel is about: those of its ids, query or batch that are not over."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select

from shared.contracts.job import TERMINAL, JobState, StageName, StepState
from shared.contracts.operation import BulkCancel
from shared.store import search
from shared.store.tables import jobs, steps

_DONE_WITH = sorted({*TERMINAL, JobState.CANCELLING})
_WAITING = (StepState.PENDING, StepState.RETRYING)


def count(connection: Connection, org_id: str, which: BulkCancel) -> int:
    """Return how many jobs it is about. Raises query.QueryWrong."""
    return connection.execute(select(func.count()).select_from(jobs).where(_meant(org_id, which))).scalar_one()


def ids(connection: Connection, org_id: str, which: BulkCancel, *, after: str = "", limit: int = 200) -> list[str]:
    """Return up to `limit` of their ids that are greater than `after`, in their order."""
    query = select(jobs.c.id).where(_meant(org_id, which), jobs.c.id > after)
    return list(connection.execute(query.order_by(jobs.c.id).limit(limit)).scalars())


def last_id(connection: Connection, org_id: str, which: BulkCancel) -> str:
    """Return the greatest of their ids, or nothing."""
    return connection.execute(select(func.max(jobs.c.id)).where(_meant(org_id, which))).scalar_one() or ""


def owners(connection: Connection, ids: Collection[str], stage: StageName) -> dict[str, tuple[str, bool]]:
    """Return those of `ids` that are jobs: whose each is, and whether it waits for `stage`, or for its next attempt."""
    step = and_(steps.c.job_id == jobs.c.id, steps.c.stage == stage, steps.c.part == "", steps.c.state.in_(_WAITING))
    is_waiting = and_(jobs.c.state.notin_(_DONE_WITH), exists().where(step, steps.c.ready_at.is_not(None)))
    query = select(jobs.c.id, jobs.c.org_id, is_waiting.label("is_waiting")).where(jobs.c.id.in_(ids))
    return {row.id: (row.org_id, bool(row.is_waiting)) for row in connection.execute(query)}


def _meant(org_id: str, which: BulkCancel) -> ColumnElement[bool]:
    mine = and_(jobs.c.org_id == org_id, jobs.c.state.notin_(_DONE_WITH))
    if which.ids:
        return and_(mine, jobs.c.id.in_(which.ids))
    if which.batch_id is not None:
        return and_(mine, jobs.c.batch_id == which.batch_id)
    return and_(mine, search.jobs(which.q or ""))
