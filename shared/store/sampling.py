"""Which jobs keep their spans, decided when they are over: those that went wrong or were slow, and a share of the rest.

Each job keeps all of its spans or none. What comes late is judged again, by the same facts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, not_, or_, select, update

from shared.contracts.job import TERMINAL, JobState, StepState
from shared.store.tables import jobs, span_batches, steps

AT_ONCE = 200  # jobs, and requests, in one transaction

_B = span_batches.c
_BITS = (1 << 64) - 1  # of a trace id decide, as OpenTelemetry's ratio sampler has it: both choose the same traces


@dataclass(frozen=True)
class Sample:
    """ratio: the share of ordinary jobs.  slow_s: a job that took longer is kept.  before: what is newer waits."""

    ratio: float
    slow_s: float
    before: datetime


def settle(connection: Connection, sample: Sample) -> int:
    """Keep or delete the spans of jobs, and of requests that made several, that are over; return of how many."""
    found = connection.execute(_undecided(sample.before)).all()
    kept = {row.job_id for row in found if is_drawn(row.trace_id or "", sample.ratio) or _is_notable(row, sample)}
    ids = [row.job_id for row in found]
    kept |= _gone_wrong(connection, ids)
    _decide(connection, _B.job_id, ids, kept)
    return len(found) + _settle_requests(connection, sample)


def is_drawn(trace_id: str, ratio: float) -> bool:
    """Whether a trace is one of this share."""
    return bool(trace_id) and (int(trace_id, 16) & _BITS) < round(ratio * (_BITS + 1))


def _undecided(before: datetime) -> Select[Any]:
    """Jobs that are over, or are not there any more, with batches that wait for a decision; all of them had time."""
    facts = (jobs.c.trace_id, jobs.c.state, jobs.c.run, jobs.c.created_at, jobs.c.published_at, jobs.c.finished_at)
    is_over = and_(jobs.c.state.in_(sorted(TERMINAL)), jobs.c.finished_at < before)
    return (
        select(_B.job_id, *facts)
        .select_from(span_batches.outerjoin(jobs, jobs.c.id == _B.job_id))
        .where(not_(_B.is_settled), _B.job_id != "", or_(jobs.c.id.is_(None), is_over))
        .group_by(_B.job_id, *facts)
        .having(func.max(_B.kept_at) < before)
        .limit(AT_ONCE)
    )


def _is_notable(row: Row[Any], sample: Sample) -> bool:
    if row.state is None:  # the job was deleted, and its spans with it but for these
        return False
    took: timedelta = row.finished_at - (row.published_at or row.created_at)
    return took > timedelta(seconds=sample.slow_s) or bool(row.state != JobState.SUCCEEDED or row.run > 1)


def _gone_wrong(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return the jobs of which a span is an error, or an attempt failed or was lost."""
    of_steps = or_(steps.c.state == StepState.FAILED, steps.c.attempt > 1, steps.c.retries > 0, steps.c.lost > 0)
    queries = (
        select(_B.job_id).where(_B.job_id.in_(ids), _B.has_error).distinct(),
        select(steps.c.job_id).where(steps.c.job_id.in_(ids), of_steps).distinct(),
    )
    return {row.job_id for query in queries for row in connection.execute(query)} if ids else set()


def _settle_requests(connection: Connection, sample: Sample) -> int:
    query = (
        select(_B.id, _B.trace_id, _B.has_error)
        .where(not_(_B.is_settled), _B.job_id == "", _B.kept_at < sample.before)
        .limit(AT_ONCE)
    )
    found = connection.execute(query).all()
    kept = {row.id for row in found if row.has_error or is_drawn(row.trace_id, sample.ratio)}
    _decide(connection, _B.id, [row.id for row in found], kept)
    return len(found)


def _decide(connection: Connection, column: Any, ids: Iterable[str], kept: Collection[str]) -> None:  # noqa: ANN401
    if kept:
        connection.execute(update(span_batches).where(column.in_(sorted(kept))).values(is_settled=True))
    if gone := sorted(set(ids) - set(kept)):
        connection.execute(delete(span_batches).where(column.in_(gone)))
