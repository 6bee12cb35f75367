"""How replays ended: seen from the ledger, a few hundred letters at a time. Also what time does to dead letters.

`resolved`: the step succeeded.  `replayed` with an end: the job is over, and the step did not succeed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, or_, select, update

from shared.contracts.dead_letter import DeadLetterState, Reason
from shared.contracts.job import StepState
from shared.ids import now
from shared.settings import settings
from shared.store import triage
from shared.store.dead_letters import ASIDE, REPLAYED, REPLAYING, RESOLVED
from shared.store.engine import reading, writing
from shared.store.step import OVER
from shared.store.tables import dead_letters as letters
from shared.store.tables import jobs, steps

AT_ONCE = 500  # letters of one transaction
FAILED_AGAIN = "ended"

# These say that a step failed. The others tell of a message, and nothing of the step that it names.
_OF_STEP = [
    each.value
    for each in (Reason.STAGE_FAILED, Reason.TASK_FAILED, Reason.HARD_LIMIT, Reason.POISON, Reason.MESSAGE_LOST)
]


def settle() -> int:
    """Write down how replays that were sent have ended; return how many letters changed."""
    return _settle((REPLAYING, REPLAYED))


def tidy() -> int:
    """Settle letters whose jobs were revived by other means, wake the snoozed, delete the old. For now and then."""
    with reading() as connection:
        due = select(letters.c.id).where(or_(triage.is_due(), _is_expired())).limit(1)
        is_time = connection.execute(due).first() is not None
    changed = _settle(ASIDE)
    if is_time:
        with writing() as connection:
            changed += triage.wake_due(connection) + expire(connection)
    return changed


def expire(connection: Connection) -> int:
    """Delete letters that ended longer ago than they are kept; return how many. What is open is kept for ever."""
    old = select(letters.c.id).where(_is_expired()).limit(AT_ONCE)
    return connection.execute(delete(letters).where(letters.c.id.in_(old))).rowcount


def _settle(states: Sequence[DeadLetterState]) -> int:
    with reading() as connection:
        found = connection.execute(_CHANGES.where(letters.c.state.in_(states)).limit(AT_ONCE)).all()
    if not found:
        return 0
    with writing() as connection:
        return sum(
            _apply(connection, change, [row.id for row in found if row.change == change], states)
            for change in (RESOLVED, REPLAYED, FAILED_AGAIN)
        )


def _apply(connection: Connection, change: str, ids: Sequence[str], states: Sequence[DeadLetterState]) -> int:
    values: dict[str, Any] = {"ended_at": None if change == REPLAYED else now()}
    if change != FAILED_AGAIN:
        values |= {"state": change, "snoozed_until": None}
    mine = and_(letters.c.id.in_(ids), letters.c.state.in_(states))  # nobody moved it meanwhile
    return connection.execute(update(letters).where(mine).values(**values)).rowcount if ids else 0


def _is_expired() -> ColumnElement[bool]:
    return letters.c.ended_at < now() - timedelta(days=settings().dead_letter_keep_days)


_SUCCEEDED = and_(
    steps.c.state == StepState.SUCCEEDED.value, or_(jobs.c.run > letters.c.run, letters.c.reason.in_(_OF_STEP))
)
_PART_OVER = or_(steps.c.job_id.is_(None), steps.c.state.in_([state.value for state in sorted(OVER)]))
_OVER = and_(
    letters.c.state == REPLAYED.value,
    or_(jobs.c.id.is_(None), and_(jobs.c.finished_at.is_not(None), or_(letters.c.part == "", _PART_OVER))),
)
_SENT = and_(
    letters.c.state != REPLAYED.value,
    jobs.c.run > letters.c.run,
    or_(letters.c.state != REPLAYING.value, jobs.c.published_at.is_not(None)),
)
_CHANGES = (
    select(
        letters.c.id,
        case((_SUCCEEDED, RESOLVED.value), (_OVER, FAILED_AGAIN), else_=REPLAYED.value).label("change"),
    )
    .select_from(
        letters.outerjoin(jobs, jobs.c.id == letters.c.job_id).outerjoin(
            steps,
            and_(steps.c.job_id == letters.c.job_id, steps.c.stage == letters.c.stage, steps.c.part == letters.c.part),
        )
    )
    .where(letters.c.ended_at.is_(None), letters.c.job_id.is_not(None), or_(_SUCCEEDED, _OVER, _SENT))
)
