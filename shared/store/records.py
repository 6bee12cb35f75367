"""The product's own span store: batches of spans as processes sent them, each kept once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, or_, select

from shared.contracts.record import RecordBatch, SpanRecord
from shared.ids import now
from shared.packing import packed, unpacked
from shared.store.engine import insert_missing
from shared.store.tables import span_batches

MOST = 20_000  # spans of one trace that are read

_SPANS = TypeAdapter(list[SpanRecord])


@dataclass(frozen=True)
class Extent:
    """How many spans there are of a trace, how many were dropped, and the jobs that they are of."""

    spans: int
    dropped: int
    job_ids: list[str]


def keep(connection: Connection, batches: Sequence[RecordBatch], *, is_settled: bool = True) -> None:
    """Keep batches; one that is there already stays as it is.

    is_settled: they stay until they are old; else `sampling` decides that once their job is over.
    """
    more = {"kept_at": now(), "is_settled": is_settled}
    insert_missing(connection, span_batches, [_row(batch) | more for batch in batches if batch.spans])


def extent(connection: Connection, trace_id: str, job_id: str | None = None) -> Extent:
    """Return how much is kept of a trace; with `job_id` only of this job, and of the request that made it."""
    columns = span_batches.c.job_id, span_batches.c.number, span_batches.c.dropped
    # Jobs are told apart here: asked for one, SQLite would look through the requests of all batches, which are of none.
    rows = connection.execute(select(*columns).where(span_batches.c.trace_id == trace_id)).all()
    mine = [row for row in rows if job_id is None or row.job_id in {job_id, ""}]
    ids = dict.fromkeys(row.job_id for row in mine if row.job_id)
    return Extent(sum(row.number for row in mine), sum(row.dropped for row in mine), list(ids))


def of_job(connection: Connection, job_id: str, trace_id: str) -> list[SpanRecord]:
    """Return the spans of a job and of the request that made it, in one trace, by their beginning."""
    mine = (span_batches.c.trace_id == trace_id, or_(span_batches.c.job_id == job_id, span_batches.c.job_id == ""))
    return _read(connection.execute(_SELECT.where(*mine)))


def of_trace(connection: Connection, trace_id: str) -> list[SpanRecord]:
    """Return all spans of a trace, by their beginning."""
    return _read(connection.execute(_SELECT.where(span_batches.c.trace_id == trace_id)))


def forget(connection: Connection, before: datetime, limit: int = 500) -> int:
    """Delete up to `limit` batches that were kept before this moment; return how many."""
    old = select(span_batches.c.id).where(span_batches.c.kept_at < before).limit(limit)
    return connection.execute(delete(span_batches).where(span_batches.c.id.in_(old))).rowcount


def _row(batch: RecordBatch) -> dict[str, object]:
    return {
        **{name: getattr(batch, name) for name in ("id", "org_id", "job_id", "service", "process", "dropped")},
        "trace_id": batch.spans[0].trace_id,
        "number": len(batch.spans),
        "began_ns": min(span.began_ns for span in batch.spans),
        "ended_ns": max(span.ended_ns for span in batch.spans),
        "has_error": any(span.is_error for span in batch.spans),
        "spans": packed(_SPANS.dump_json(batch.spans, exclude_defaults=True)),
    }


def _read(rows: Iterable[Row[Any]]) -> list[SpanRecord]:
    found: list[SpanRecord] = []
    for row in rows:
        mine = _SPANS.validate_json(unpacked(row.spans))
        for span in mine:
            span.attributes.update({"service.name": row.service, "process": row.process})
        found += mine
        if len(found) >= MOST:  # a caller may give thousands of jobs one traceparent
            break
    return sorted(found[:MOST], key=lambda span: (span.began_ns, span.span_id))


_SELECT = (
    select(*(span_batches.c[name] for name in ("spans", "service", "process")))
    .order_by(span_batches.c.began_ns, span_batches.c.id)
    .limit(MOST)
)
