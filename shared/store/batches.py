"""Batches: made with their jobs, in one transaction; what is told of them is counted from the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, func, insert, select

from shared.contracts.batch import BatchView
from shared.contracts.finding import Severity
from shared.contracts.job import JobState
from shared.contracts.submission import Options
from shared.errors import NotFound
from shared.ids import now
from shared.store import pieces
from shared.store.tables import batches, jobs


class BatchNotFound(NotFound):
    """No batch of this organisation has this id."""


@dataclass(frozen=True)
class NewBatch:
    """What is needed to write a batch. trace_id: of the request that asked for it."""

    id: str
    org_id: str
    total: int
    options: Options
    name: str = ""
    created_by: str = ""
    trace_id: str = ""


def create(connection: Connection, new: NewBatch) -> None:
    """Write a batch; its jobs are written beside it."""
    names = ("id", "org_id", "total", "name", "created_by", "trace_id")
    row = {name: getattr(new, name) for name in names}
    row |= {"options": new.options.model_dump(mode="json"), "created_at": now()}
    connection.execute(insert(batches), row)


def get(connection: Connection, batch_id: str) -> BatchView:
    """Return one batch. Raises BatchNotFound."""
    row = connection.execute(select(batches).where(batches.c.id == batch_id)).mappings().one_or_none()
    if row is None:
        raise BatchNotFound(f"There is no batch {batch_id}.", cure="List them: vedette batch list")
    return _views(connection, [row])[0]


def trace_ids(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return for each batch that exists the trace of the request that made it."""
    query = select(batches.c.id, batches.c.trace_id).where(batches.c.id.in_(ids))
    return {row.id: row.trace_id for row in connection.execute(query)}


def traces(connection: Connection, org_id: str, trace_id: str, limit: int = 100) -> dict[str, str]:
    """Return up to `limit` ids of the jobs of batches that a request with this trace made, with the jobs' traces."""
    mine = select(batches.c.id).where(batches.c.org_id == org_id, batches.c.trace_id == trace_id)
    ids = list(connection.execute(mine.limit(limit)).scalars())
    if not ids:
        return {}
    query = select(jobs.c.id, jobs.c.trace_id).where(jobs.c.batch_id.in_(ids)).order_by(jobs.c.batch_id)
    return {row.id: row.trace_id for row in connection.execute(query.limit(limit))}


def page(connection: Connection, org_id: str, *, limit: int, before: str = "") -> list[BatchView]:
    """Return up to `limit` batches, newest first, older than the id `before`."""
    query = select(batches).where(batches.c.org_id == org_id).order_by(batches.c.id.desc()).limit(limit)
    if before:
        query = query.where(batches.c.id < before)
    return _views(connection, connection.execute(query).mappings().all())


def ids_like(connection: Connection, org_id: str, piece: str) -> list[str]:
    """Return the ids that begin or end with `piece`, newest first."""
    return pieces.ids_like(connection, batches, org_id, piece)


def _views(connection: Connection, rows: Sequence[RowMapping]) -> list[BatchView]:
    ids = [row["id"] for row in rows]
    counts = [func.sum(jobs.c.severities[str(each)].as_integer()).label(str(each)) for each in Severity]
    query = (
        select(
            jobs.c.batch_id,
            jobs.c.state,
            func.count().label("count"),
            func.min(jobs.c.started_at).label("first"),
            func.max(jobs.c.finished_at).label("last"),
            *counts,
        )
        .where(jobs.c.batch_id.in_(ids))
        .group_by(jobs.c.batch_id, jobs.c.state)
    )
    found: dict[str, list[RowMapping]] = {}
    for each in connection.execute(query).mappings() if ids else ():
        found.setdefault(each["batch_id"], []).append(each)
    return [_view(row, found.get(row["id"], [])) for row in rows]


def _view(row: RowMapping, groups: Sequence[RowMapping]) -> BatchView:
    states = {JobState(str(each["state"])): _number(each["count"]) for each in groups}
    over = sum(count for state, count in states.items() if state.is_terminal)
    total: int = row["total"]
    sums = {str(name): sum(_number(each[str(name)]) for each in groups) for name in Severity}
    return BatchView.model_validate(
        {
            **{name: row[name] for name in ("id", "org_id", "name", "total", "trace_id", "created_by", "created_at")},
            "states": states,
            "severities": {name: count for name, count in sums.items() if count},
            "progress": round(over / total, 4) if total else 1.0,
            "started_at": min((each["first"] for each in groups if each["first"]), default=None),
            "finished_at": max((each["last"] for each in groups if each["last"]), default=None)
            if over >= total
            else None,
        }
    )


def _number(value: object) -> int:
    return int(str(value or 0))
