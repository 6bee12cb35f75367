"""The log of each job: batches of lines as processes sent them, each kept once; bounded, with its beginning and end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, func, select, update

from shared.contracts.logs import MAX_LINES, LineRecord, LogLevel, LogLine
from shared.contracts.record import RecordBatch
from shared.ids import new_id, now
from shared.packing import packed, unpacked
from shared.store.engine import insert_missing
from shared.store.tables import line_batches

FIRST = MAX_LINES * 3 // 4  # lines from the beginning that stay whatever comes
LEFT_OUT = "log.left_out"
_NOTHING = packed(b"[]")
_LINES = TypeAdapter(list[LineRecord])


def keep(connection: Connection, batches: Sequence[RecordBatch]) -> None:
    """Keep the lines of batches; of a job that says too much, those in the middle are left out."""
    said = [each for each in batches if each.job_id and (each.lines or each.unsaid)]
    at = now()
    insert_missing(connection, line_batches, [_row(batch, at) for batch in said])
    for job_id, total in _long(connection, {each.job_id for each in said if each.lines}).items():
        _bound(connection, job_id, total)


def page(
    connection: Connection,
    job_id: str,
    *,
    after: str = "",
    limit: int = 200,
    level: LogLevel = LogLevel.INFO,
    stage: str = "",
) -> list[LogLine]:
    """Return up to `limit` lines of a job, as they came in, after the line with this id.

    level: this bad or worse.  stage: only of this one.
    """
    place, _, number = after.partition(".")
    query = select(line_batches).where(line_batches.c.job_id == job_id, line_batches.c.place >= place)
    levels = list(LogLevel)[list(LogLevel).index(level) :]
    found: list[LogLine] = []
    for row in connection.execute(query.order_by(line_batches.c.place)):
        known = int(number) + 1 if row.place == place and number.isdecimal() else 0
        told = (each for each in _lines(row, known) if each.event == LEFT_OUT or each.level in levels)
        found += [each for each in told if not stage or each.stage == stage or each.event == LEFT_OUT]
        if len(found) >= limit:
            break
    return found[:limit]


def forget(connection: Connection, before: datetime, limit: int = 500) -> int:
    """Delete up to `limit` batches that were kept before this moment; return how many."""
    old = select(line_batches.c.id).where(line_batches.c.kept_at < before).limit(limit)
    return connection.execute(delete(line_batches).where(line_batches.c.id.in_(old))).rowcount


def _row(batch: RecordBatch, at: datetime) -> dict[str, object]:
    lines = sorted(batch.lines, key=lambda each: each.at_ns)
    return {
        "id": batch.id,
        "place": new_id(),
        "org_id": batch.org_id,
        "job_id": batch.job_id,
        "service": batch.service,
        "process": batch.process,
        "number": len(lines),
        "left_out": batch.unsaid,
        "lines": packed(_LINES.dump_json(lines, exclude_defaults=True)),
        "kept_at": at,
    }


def _long(connection: Connection, job_ids: Collection[str]) -> dict[str, int]:
    """Return how many lines those of these jobs have that have more than are kept."""
    mine, total = line_batches.c.job_id, func.sum(line_batches.c.number)
    query = select(mine, total.label("total")).where(mine.in_(sorted(job_ids))).group_by(mine)
    rows = connection.execute(query.having(total > MAX_LINES).order_by(mine)) if job_ids else ()
    return {row.job_id: row.total for row in rows}


def _bound(connection: Connection, job_id: str, total: int) -> None:
    """Leave out the lines of the oldest batches behind the first `FIRST`, until no more than `MAX_LINES` are kept."""
    mine = line_batches.c.job_id == job_id
    query = select(line_batches.c.id, line_batches.c.number).where(mine).order_by(line_batches.c.place)
    before = 0
    for row in connection.execute(query).all():
        before += row.number
        if before > FIRST and row.number and total > MAX_LINES:
            total -= row.number
            empty = {"lines": _NOTHING, "number": 0, "left_out": line_batches.c.left_out + row.number}
            connection.execute(update(line_batches).where(line_batches.c.id == row.id).values(**empty))


def _lines(row: Row[tuple[object, ...]], known: int) -> Iterator[LogLine]:
    """Yield the lines of a batch from number `known` on, and what was left out of it."""
    made = _LINES.validate_json(unpacked(row.lines))
    for number, each in enumerate(made):
        if number >= known:
            at = datetime.fromtimestamp(each.at_ns / 1e9, UTC)
            rest = each.model_dump(exclude={"at_ns"})
            yield LogLine(id=f"{row.place}.{number}", at=at, service=row.service, process=row.process, **rest)
    if row.left_out and len(made) >= known:
        yield LogLine(
            id=f"{row.place}.{len(made)}",
            at=row.kept_at,
            level=LogLevel.WARNING,
            event=LEFT_OUT,
            service=row.service,
            process=row.process,
            fields={"lines": row.left_out},
        )
