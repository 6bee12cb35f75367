"""Counters that only grow, made of the event log: each event is counted once, whoever dies meanwhile.

What a pass counted and how far it came are written in one transaction. So the figures outlive every process, and are
right with many of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from shared.contracts.events import Event, EventType
from shared.contracts.job import StageName
from shared.store import eventlog
from shared.store.engine import insert_missing
from shared.store.eventlog import Place, Stretch
from shared.store.step import STAGES
from shared.store.tables import counted, counters

PAGE = 2000  # events that are read at once
MOST = 20_000  # ids of one pass on SQLite, about a second
BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 120, 300, 600)
INFINITE = "+Inf"
_CHANNELS = {"https": "webhook", "http": "webhook", "mailto": "mail"}

Series = tuple[str, tuple[tuple[str, str], ...]]  # a name, and its labels by name
Counts = dict[Series, float]


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
        for series, by in count(entry.event for entry in entries).items():
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


def count(events: Iterable[Event]) -> Counts:
    """Return what events add to the counters."""
    counts: Counts = {}
    for event in events:
        _COUNTED.get(event.type, _nothing)(counts, event)
    return counts


def _nothing(_counts: Counts, _event: Event) -> None:
    """Events of these types say nothing that is counted."""


def _up(counts: Counts, name: str, labels: Mapping[str, str], by: float = 1) -> None:
    series = name, tuple(sorted(labels.items()))
    counts[series] = counts.get(series, 0.0) + by


def _observe(counts: Counts, name: str, labels: Mapping[str, str], value: float) -> None:
    """Add one value to a histogram."""
    for bound in BUCKETS_S:
        if value <= bound:
            _up(counts, f"{name}_bucket", {**labels, "le": f"{bound:g}"})
    _up(counts, f"{name}_bucket", {**labels, "le": INFINITE})
    _up(counts, f"{name}_sum", labels, value)


def _task(counts: Counts, what: str, stage: str) -> None:
    _up(counts, f"celery_task_{what}", {"name": f"{stage}.run"})


def _queued(counts: Counts, _event: Event) -> None:
    _task(counts, "sent", StageName.SCAN)


def _started(counts: Counts, event: Event) -> None:
    if event.part:
        return
    _task(counts, "received", event.stage)
    _task(counts, "started", event.stage)
    if isinstance(waited_s := event.data.get("waited_s"), (int, float)):
        _observe(counts, "vedette_stage_wait_seconds", {"stage": event.stage}, waited_s)


def _finished(counts: Counts, event: Event) -> None:
    if event.part:
        _told(counts, event, "sent")
        return
    if event.data.get("is_skipped"):
        return
    _task(counts, "succeeded", event.stage)
    if event.stage != STAGES[-1]:
        _task(counts, "sent", STAGES[STAGES.index(StageName(event.stage)) + 1])
    if isinstance(ran_s := event.data.get("ran_s"), (int, float)):
        _observe(counts, "vedette_stage_duration_seconds", {"stage": event.stage}, ran_s)
        _observe(counts, "celery_task_runtime", {"name": f"{event.stage}.run"}, ran_s)


def _retrying(counts: Counts, event: Event) -> None:
    _up(counts, "vedette_retries", {"class": str(event.data.get("failure_class", "")), "stage": event.stage})
    if not event.part:
        _task(counts, "retried", event.stage)
        _task(counts, "sent", event.stage)


def _failed(counts: Counts, event: Event) -> None:
    if event.part:
        _told(counts, event, "failed")
        return
    _task(counts, "failed", event.stage)
    if event.stage != STAGES[-1]:
        _task(counts, "sent", STAGES[-1])


def _told(counts: Counts, event: Event, outcome: str) -> None:
    if event.stage == StageName.NOTIFY:
        channel = _CHANNELS.get(event.part.partition("-")[0], "other")
        _up(counts, "vedette_notifications", {"channel": channel, "outcome": outcome})


def _ended(counts: Counts, event: Event) -> None:
    kind, outcome = str(event.data.get("kind") or "unknown"), str(event.data.get("state", ""))
    _up(counts, "vedette_jobs", {"kind": kind, "outcome": outcome})


def _revived(counts: Counts, event: Event) -> None:
    _up(counts, "vedette_dlq_replays", {"stage": str(event.data.get("from", ""))})


_COUNTED = {
    EventType.JOB_QUEUED: _queued,
    EventType.STAGE_STARTED: _started,
    EventType.STAGE_FINISHED: _finished,
    EventType.STAGE_RETRYING: _retrying,
    EventType.STAGE_FAILED: _failed,
    EventType.JOB_FINISHED: _ended,
    EventType.JOB_REVIVED: _revived,
}


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
