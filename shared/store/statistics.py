"""What jobs came to, counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Text, cast, func, select

from shared.contracts.job import JobState
from shared.contracts.statistics import Bucket, Interval, Overview
from shared.ids import now
from shared.store import dead_letters
from shared.store.tables import jobs

DAY = timedelta(hours=24)
SAMPLE = 1000  # of the newest jobs that ended, whose mean time is told
_FAILED = (JobState.FAILED, JobState.DEAD)
_LENGTHS = {Interval.MINUTE: 16, Interval.HOUR: 13, Interval.DAY: 10}  # characters of a moment as text


def overview(connection: Connection, org_id: str) -> Overview:
    """Return how the jobs stand, and what came of those that ended in the last 24 hours."""
    ended = _counts(connection, jobs.c.org_id == org_id, jobs.c.finished_at >= now() - DAY)
    judged = sum(count for state, count in ended.items() if state is not JobState.CANCELLED)
    failed = sum(ended.get(state, 0) for state in _FAILED)
    return Overview(
        states=_counts(connection, jobs.c.org_id == org_id),
        finished_24h=sum(ended.values()),
        failed_24h=failed,
        average_s=_average_s(connection, org_id),
        success_rate=round(1 - failed / judged, 4) if judged else None,
        dead_letters=dead_letters.waiting(connection, org_id),
    )


def timeseries(connection: Connection, org_id: str, every: Interval, since: datetime) -> list[Bucket]:
    """Return the jobs that ended since then, by interval, oldest first. Intervals without any are left out."""
    # Both databases write a moment as `2026-11-25 18:47:30…`, in UTC.
    piece = func.substr(cast(jobs.c.finished_at, Text), 1, _LENGTHS[every])
    query = select(piece.label("piece"), jobs.c.state, func.count().label("number"))
    query = query.where(jobs.c.org_id == org_id, jobs.c.finished_at >= since).group_by(piece, jobs.c.state)
    found: dict[str, dict[JobState, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.piece, {})[JobState(row.state)] = row.number
    return [Bucket(at=_moment(piece), states=states) for piece, states in sorted(found.items())]


def _counts(connection: Connection, *which: ColumnElement[bool]) -> dict[JobState, int]:
    found = connection.execute(select(jobs.c.state, func.count()).where(*which).group_by(jobs.c.state))
    return {JobState(state): count for state, count in found}


def _average_s(connection: Connection, org_id: str) -> float | None:
    """Return the mean seconds of the newest jobs that ended today; only those that began are counted."""
    query = select(jobs.c.started_at, jobs.c.finished_at).where(jobs.c.org_id == org_id, jobs.c.started_at.is_not(None))
    query = query.where(jobs.c.finished_at >= now() - DAY).order_by(jobs.c.id.desc()).limit(SAMPLE)
    took = [(row.finished_at - row.started_at).total_seconds() for row in connection.execute(query)]
    return round(sum(took) / len(took), 3) if took else None


def _moment(piece: str) -> datetime:
    whole = piece if len(piece) > _LENGTHS[Interval.DAY] else f"{piece} 00"
    return datetime.fromisoformat(whole if ":" in whole else f"{whole}:00").replace(tzinfo=UTC)
