"""The timeline: every event of a job that is kept. Written in the transaction of its fact, published after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from shared.contracts.events import Event, EventType
from shared.ids import now
from shared.store.tables import events
from shared.text import kept


@dataclass(frozen=True)
class Fact:
    """An event before it has its id."""

    org_id: str
    job_id: str
    type: EventType
    stage: str = ""
    part: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def add(connection: Connection, facts: Sequence[Fact]) -> list[Event]:
    """Write facts and return them as events with their ids, in order."""
    if not facts:
        return []
    at = now()
    rows = [{**_columns(fact), "at": at} for fact in facts]
    if len(rows) <= FEW:
        ids = [connection.execute(_INSERT, row).scalar_one() for row in rows]
    else:
        ids = list(connection.execute(_INSERT_MANY, rows).scalars())
    return [Event(id=event_id, **row) for event_id, row in zip(ids, rows, strict=True)]


def of_job(connection: Connection, job_id: str, after: int = 0, limit: int = 1000) -> list[Event]:
    """Return the events of a job with an id greater than `after`, oldest first."""
    query = select(events).where(events.c.job_id == job_id, events.c.id > after).order_by(events.c.id).limit(limit)
    return [_event(row) for row in connection.execute(query).mappings()]


def of_jobs(connection: Connection, ids: Sequence[str]) -> list[Event]:
    """Return all events of several jobs, oldest first: they are new, and have few."""
    if len(ids) == 1:
        return of_job(connection, ids[0], limit=MOST)
    # Ordered by id alone, SQLite would look through all events of the organisation.
    query = select(events).where(events.c.job_id.in_(ids)).order_by(events.c.job_id, events.c.id)
    return sorted((_event(row) for row in connection.execute(query).mappings()), key=lambda event: event.id)


MOST = 20_000  # events of one job; none has so many
FEW = 4  # rows that are quicker one by one than as a statement of many values
_INSERT = insert(events).returning(events.c.id)
_INSERT_MANY = insert(events).returning(events.c.id, sort_by_parameter_order=True)


def _columns(fact: Fact) -> dict[str, Any]:
    names = ("org_id", "job_id", "type", "stage", "part")
    data = {key: kept(value) if isinstance(value, str) else value for key, value in fact.data.items()}
    return {**{name: getattr(fact, name) for name in names}, "data": data}


def _event(row: RowMapping) -> Event:
    return Event.model_validate(dict(row))
