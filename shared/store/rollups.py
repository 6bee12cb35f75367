"""Counters that only grow, made of the event log: each event is counted once, whoever dies meanwhile.

What a pass counted and how far it came are written in one transaction. So the figures outlive every process, and are
right with many of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from shared.contracts.events import Event
from shared.store import eventlog
from shared.store.engine import insert_missing
from shared.store.eventlog import Place, Stretch
from shared.store.tables import counted, counters, jobs
from shared.store.tallies import Series, count

PAGE = 2000  # events that are read at once
IDS = 500  # jobs that are asked for at once
MOST = 20_000  # ids of one pass on SQLite, about a second


def advance(connection: Connection) -> int:
    """Count what came since the last pass; return how many events. In one transaction that writes.

    The first pass of all counts what there is, unless that is very much: counters may begin with any value.
    """
    kept = _place(connection)
    end, seen = eventlog.here(connection), 0
    start = kept or (end if end.id > eventlog.FAR else Place())
    if not end.xmax:  # SQLite: nobody else writes meanwhile, so much is counted piece by piece
        end = Place(min(end.id, start.id + MOST))
    after, counts = 0, dict[Series, float]()
    while entries := eventlog.between(connection, Stretch(start, end), after, PAGE):
        after, seen = entries[-1].event.id, seen + len(entries)
        of = [entry.event for entry in entries]
        for series, by in count(of, _lanes(connection, of)).items():
            counts[series] = counts.get(series, 0.0) + by
    _add(connection, counts)
    if seen or kept is None or end.id != start.id:  # of a piece all events may be deleted
        _upsert(connection, counted, {"id": 1, "place": _packed(end)}, ("id",), add=False)
    return seen


def read(connection: Connection) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return all counters: by name, by labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for row in connection.execute(select(counters)):
        found.setdefault(row.name, {})[tuple(map(tuple, json.loads(row.labels)))] = row.value
    return found


def _lanes(connection: Connection, of: Sequence[Event]) -> dict[str, str]:
    """Return the lanes of the jobs that these events are of; a job that was deleted meanwhile has none."""
    ids = sorted({event.job_id for event in of})
    found: dict[str, str] = {}
    for start in range(0, len(ids), IDS):
        rows = connection.execute(select(jobs.c.id, jobs.c.lane).where(jobs.c.id.in_(ids[start : start + IDS])))
        found |= {row.id: row.lane for row in rows}
    return found


def _add(connection: Connection, counts: Mapping[Series, float]) -> None:
    for (name, labels), by in sorted(counts.items()):
        row = {"name": name, "labels": json.dumps(labels, separators=(",", ":")), "value": by}
        _upsert(connection, counters, row, ("name", "labels"), add=True)


def _upsert(connection: Connection, table: Table, row: dict[str, object], keys: tuple[str, ...], *, add: bool) -> None:
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(table).values(**row)
    [value] = [name for name in row if name not in keys]
    new = table.c[value] + statement.excluded[value] if add else statement.excluded[value]
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_={value: new}))


def _place(connection: Connection) -> Place | None:
    insert_missing(connection, counted, [{"id": 1, "place": {}}])  # a row to be locked, at the very first pass too
    kept = connection.execute(select(counted.c.place).where(counted.c.id == 1).with_for_update()).scalar_one()
    return Place(**{**kept, "open": frozenset(kept["open"])}) if kept else None


def _packed(place: Place) -> dict[str, object]:
    return {**asdict(place), "open": sorted(place.open)}
