"""The event log: all events of all jobs, read from any place on without a gap.

Ids are no order to read by: on PostgreSQL a transaction may commit a smaller id after a greater one was read. So a
place is a snapshot: which transactions were over. Each event has the number of its transaction (`xid`) and what was
over when it was written (`snapshot`). What was over then has a smaller id, so a reader that is given every pass in the
order of ids had it before. Hence the id of the last event that came is a place to go on from. SQLite commits in the
order of ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, cast, func, or_, select

from shared.contracts.events import Event
from shared.store.tables import events

FAR = 100_000  # events; whoever is further behind is better off with a new snapshot


@dataclass(frozen=True)
class Place:
    """What a reader has: on SQLite all up to `id`; on PostgreSQL what transactions wrote that were over.

    xmax: none from it on was over.  open: those before it that were not.  own: the transaction of `id`; the reader has
    those of its events that are not after it.
    """

    id: int = 0
    xmax: int = 0
    open: frozenset[int] = frozenset()
    own: int = 0

    def has(self, entry: Entry) -> bool:
        """Whether the reader has it. For places that `here` returned."""
        return entry.xid < self.xmax and entry.xid not in self.open if self.xmax else entry.event.id <= self.id


@dataclass(frozen=True)
class Stretch:
    """What a reader at `start` lacks of what there was at `end`, a place that `here` returned."""

    start: Place
    end: Place


@dataclass(frozen=True)
class Entry:
    """An event, and the number of the transaction that wrote it."""

    event: Event
    xid: int


def here(connection: Connection) -> Place:
    """Return the end of the log as this transaction sees it."""
    newest = connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one()
    if connection.dialect.name != "postgresql":
        return Place(newest)
    xmax, still_open = _parsed(connection.execute(_SNAPSHOT).scalar_one())
    return Place(newest, xmax, still_open)


def place_of(connection: Connection, since: int, end: Place) -> Place | None:
    """Return the place of a reader whose last event was `since`; None if the log cannot tell what it lacks.

    0 is before everything. An event that was deleted is at the place of the one before.
    """
    if since == 0:
        return Place()
    row = connection.execute(_AT_OR_BEFORE.where(events.c.id <= since)).one_or_none()
    if row is None or since > end.id or end.id - since > FAR:
        return None
    if not end.xmax:
        return Place(since)
    xmax, still_open = _parsed(row.snapshot)
    if not xmax or xmax > end.xmax:
        return None  # written before there were places, or by another cluster, whose numbers mean nothing here
    return Place(row.id, xmax, still_open, row.xid) if row.id == since else Place(row.id, xmax, still_open | {row.xid})


def between(connection: Connection, stretch: Stretch, after: int, limit: int, job_id: str = "") -> list[Entry]:
    """Return the events of a stretch, of one job or of all, by id: up to `limit` of those after the id `after`.

    Before the first call `after` is 0; what was committed late, with an id before the start, comes at once.
    """
    start, end = stretch.start, stretch.end
    query = _ENTRIES.where(events.c.job_id == job_id) if job_id else _ENTRIES
    if not end.xmax:
        lacked = query.where(events.c.id > max(start.id, after), events.c.id <= end.id)
        return _entries(connection.execute(lacked.limit(limit)).all())
    lacked = query.where(_lacks(start), _was_over(end))
    late = [] if after else connection.execute(lacked.where(events.c.id <= start.id)).all()
    rest = connection.execute(lacked.where(events.c.id > max(start.id, after)).limit(limit)).all()
    return _entries([*late, *rest])


def _lacks(place: Place) -> ColumnElement[bool]:
    lacked = or_(events.c.xid >= place.xmax, events.c.xid.in_(place.open))
    if not place.own:
        return lacked
    later = and_(events.c.xid == place.own, events.c.id > place.id)
    return or_(later, and_(lacked, events.c.xid != place.own))


def _was_over(end: Place) -> ColumnElement[bool]:
    return and_(events.c.xid < end.xmax, events.c.xid.not_in(end.open))


def _entries(rows: Sequence[Row[Any]]) -> list[Entry]:
    return [Entry(Event.model_validate(dict(row._mapping)), row.xid) for row in rows]


def _parsed(snapshot: str) -> tuple[int, frozenset[int]]:
    """Return xmax and the open transactions of a `pg_snapshot`: `xmin:xmax:xip,xip`."""
    if not snapshot:
        return 0, frozenset()
    _, xmax, still_open = snapshot.split(":")
    return int(xmax), frozenset(int(xid) for xid in still_open.split(",") if xid)


_SNAPSHOT = select(cast(func.pg_current_snapshot(), Text))
_AT_OR_BEFORE = select(events.c.id, events.c.xid, events.c.snapshot).order_by(events.c.id.desc()).limit(1)
_ENTRIES = select(*(column for column in events.c if column.name != "snapshot")).order_by(events.c.id)
