"""Batches as they are in the stream, and such as may be put into it."""

from __future__ import annotations

from typing import Any

from shared import bus, spool
from shared.contracts.record import RecordBatch, SpanRecord
from shared.ids import new_id
from shared.telemetry.attributes import JOB, ORG

MINE: dict[str, str | int] = {JOB: "j", ORG: "o"}


def sent() -> list[RecordBatch]:
    return [spool.opened(fields) for _, fields in entries()]


def entries() -> list[tuple[bytes, dict[bytes, bytes]]]:
    bus.client().ping()  # after what was sent without waiting
    found: Any = bus.client().xrange(spool.STREAM)
    return [(entry_id, fields) for entry_id, fields in found]


def names(batches: list[RecordBatch]) -> list[str]:
    return [each.name for one in batches for each in one.spans]


def batch(**fields: Any) -> RecordBatch:
    return RecordBatch.model_validate(
        {"id": new_id(), "org_id": "o", "job_id": "j", "service": "scan", "process": "h:1", **fields}
    )


def span(name: str) -> SpanRecord:
    return SpanRecord(trace_id="t", span_id="s", name=name, began_ns=1, ended_ns=2)
