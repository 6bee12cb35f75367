"""What jobs came to, counted by the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, func, literal, select

from shared.contracts.job import JobState
from shared.contracts.statistics import Bucket, Came, Interval, KindFigures, Overview
from shared.store import dead_letters, percentiles
from shared.store.tables import jobs
from shared.store.tables.columns import SecondsBetween

_FAILED = (JobState.FAILED, JobState.DEAD)
_LENGTHS = {Interval.MINUTE: 16, Interval.HOUR: 13, Interval.DAY: 10}  # characters of a moment as text
_ALL = literal("", Text)
_BETWEEN = "/"  # a kind and a profile, which have none in them

Piece = ColumnElement[str]  # what jobs are put together by
States = dict[JobState, int]


def overview(connection: Connection, org_id: str, since: datetime) -> Overview:
    """Return how the jobs stand, and what came of those that ended since then."""
    ended = is_over(org_id, since)
    states = _states(connection, _ALL, ended).get("", {})
    came = _came(states, _times(connection, _ALL, ended).get("", {}))
    return Overview(
        states=_states(connection, _ALL, jobs.c.org_id == org_id).get("", {}),
        finished=sum(states.values()),
        failed=_failed(states),
        dead_letters=dead_letters.waiting(connection, org_id),
        **came.model_dump(),
    )


def timeseries(connection: Connection, org_id: str, every: Interval, since: datetime) -> list[Bucket]:
    """Return the jobs that ended since then, by interval, oldest first. Intervals without any are left out."""
    # Both databases write a moment as `2026-11-25 18:47:30…`, in UTC.
    piece = func.substr(cast(jobs.c.finished_at, Text), 1, _LENGTHS[every])
    ended = is_over(org_id, since)
    times = _times(connection, piece, ended)
    found = sorted(_states(connection, piece, ended).items())
    return [
        Bucket(at=_moment(at), states=states, **_came(states, times.get(at, {})).model_dump()) for at, states in found
    ]


def kinds(connection: Connection, org_id: str, since: datetime) -> list[KindFigures]:
    """Return the jobs that ended since then, by kind and profile, those with most jobs first."""
    piece = jobs.c.kind + _BETWEEN + jobs.c.profile
    ended = is_over(org_id, since)
    times = _times(connection, piece, ended)
    found = []
    for name, states in _states(connection, piece, ended).items():
        kind, _, profile = name.partition(_BETWEEN)
        came = _came(states, times.get(name, {})).model_dump()
        found.append(KindFigures(kind=kind, profile=profile, states=states, **came))
    return sorted(found, key=lambda each: (-sum(each.states.values()), each.kind, each.profile))


def is_over(org_id: str, since: datetime) -> ColumnElement[bool]:
    """Return what is true of the jobs that ended since then."""
    is_indexed = jobs.c.state != literal(JobState.QUEUED.value, literal_execute=True)  # as an index has it
    return and_(jobs.c.org_id == org_id, jobs.c.finished_at >= since, is_indexed)


def _states(connection: Connection, piece: Piece, which: ColumnElement[bool]) -> dict[str, States]:
    """Return how many jobs there are, by piece and state."""
    query = select(piece.label("piece"), jobs.c.state, func.count().label("number"))
    found: dict[str, States] = {}
    for row in connection.execute(query.where(which).group_by("piece", jobs.c.state)):
        found.setdefault(row.piece, {})[JobState(row.state)] = row.number
    return found


def _times(connection: Connection, piece: Piece, which: ColumnElement[bool]) -> dict[str, Mapping[str, Any]]:
    """Return how long jobs ran, by piece: those that began and were not cancelled."""
    ran_s = SecondsBetween(jobs.c.started_at, jobs.c.finished_at)
    share = percentiles.share(ran_s, piece)
    which = which & jobs.c.started_at.is_not(None) & (jobs.c.state != JobState.CANCELLED)
    ran = select(piece.label("piece"), ran_s.label("ran"), share.label("ran_share")).where(which).subquery()
    query = select(ran.c.piece, *percentiles.measures(ran, "ran")).group_by(ran.c.piece)
    return {row["piece"]: percentiles.took(row, "ran") for row in connection.execute(query).mappings()}


def _came(states: States, times: Mapping[str, Any]) -> Came:
    judged = sum(count for state, count in states.items() if state is not JobState.CANCELLED)
    return Came(success_rate=round(1 - _failed(states) / judged, 4) if judged else None, **times)


def _failed(states: States) -> int:
    return sum(states.get(state, 0) for state in _FAILED)


def _moment(piece: str) -> datetime:
    whole = piece if len(piece) > _LENGTHS[Interval.DAY] else f"{piece} 00"
    return datetime.fromisoformat(whole if ":" in whole else f"{whole}:00").replace(tzinfo=UTC)
