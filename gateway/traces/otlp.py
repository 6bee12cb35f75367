"""A trace as OTLP/JSON (opentelemetry-proto, `ExportTraceServiceRequest`), as a collector takes it at `/v1/traces`.

Recorded spans are as they were recorded. What only the ledger knows is in it once it is over, with
`vedette.from_ledger`; what goes on is not: a span is sent when it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from gateway.traces import attributes, recorded
from gateway.traces.row import Row
from gateway.traces.source import Source
from gateway.traces.view import rows
from shared.contracts.record import SpanKind, SpanRecord
from shared.contracts.trace import Segment, SpanState
from shared.telemetry.attributes import ATTEMPT, JOB, PART, SEGMENT, STAGE

_KINDS = {kind: number for number, kind in enumerate(SpanKind, 1)}  # as in trace.proto
_ERROR = 2
_NAMES = {bool: "boolValue", int: "intValue", float: "doubleValue"}
_AS_THEY_ARE = frozenset({"boolValue", "doubleValue"})
_RESOURCE = ("service.name", "process")  # attributes that the store adds to each span


class OtlpDocument(BaseModel):
    """For the description of the routes; what is in it, the specification of OTLP says."""

    resource_spans: list[dict[str, Any]] = Field(alias="resourceSpans")


def document(source: Source) -> dict[str, Any]:
    """Return the document: spans grouped by the process that made them."""
    of: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in recorded.unique(source.records):
        service, process = (str(record.attributes.get(name, "")) for name in _RESOURCE)
        of.setdefault((service, process), []).append(_recorded(record))
    told = [row for row in rows(source) if row.segment is Segment.JOB or row.is_from_ledger]
    tops = {row.job_id: row.id for row in told if row.segment is Segment.JOB}
    for row in told:
        if row.is_from_ledger and row.state is not SpanState.LIVE:
            parent = row.parent or ("" if row.segment is Segment.JOB else tops[row.job_id])
            of.setdefault((row.service or "ledger", ""), []).append(_told(row, parent, source.trace_id))
    return {"resourceSpans": [_resource(service, process, spans) for (service, process), spans in of.items()]}


def _resource(service: str, process: str, spans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    said = {"service.namespace": "vedette", "service.name": f"vedette-{service}"}
    said |= {"service.instance.id": process} if process else {}
    return {"resource": {"attributes": _pairs(said)}, "scopeSpans": [{"scope": {"name": "vedette"}, "spans": spans}]}


def _recorded(record: SpanRecord) -> dict[str, Any]:
    said = {name: value for name, value in record.attributes.items() if name not in _RESOURCE}
    made = _span(record.trace_id, record.span_id, record.parent_id, record.name)
    links = [{"traceId": link.trace_id, "spanId": link.span_id} for link in record.links]
    return made | {
        "kind": _KINDS[record.kind],
        "startTimeUnixNano": str(record.began_ns),
        "endTimeUnixNano": str(max(record.began_ns, record.ended_ns)),
        "attributes": _pairs(attributes.shown(said)),
        "status": {"code": _ERROR, "message": attributes.plain(record.error)} if record.is_error else {},
        **({"links": links} if links else {}),
    }


def _told(row: Row, parent: str, trace_id: str) -> dict[str, Any]:
    known: dict[str, Any] = {JOB: row.job_id, SEGMENT: row.segment.value, STAGE: row.stage, PART: row.part}
    said = {name: value for name, value in {**known, ATTEMPT: row.attempt}.items() if value}
    has_failed = row.state in {SpanState.ERROR, SpanState.LOST}
    message = attributes.plain(row.error.message or row.error.type) if row.error else row.state.value
    return _span(trace_id, row.id, parent, row.name) | {
        "kind": _KINDS[row.kind],
        "startTimeUnixNano": str(row.began),
        "endTimeUnixNano": str(row.ended),
        "attributes": _pairs({**attributes.shown(row.attributes), **said, "vedette.from_ledger": True}),
        "status": {"code": _ERROR, "message": message} if has_failed else {},
    }


def _span(trace_id: str, span_id: str, parent_id: str, name: str) -> dict[str, Any]:
    made = {"traceId": trace_id, "spanId": span_id, "name": attributes.plain(name)}
    return made | {"parentSpanId": parent_id} if parent_id else made


def _pairs(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in said.items()]


def _value(value: Any) -> dict[str, Any]:  # noqa: ANN401  plain data
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    name = _NAMES.get(type(value), "stringValue")
    return {name: value if name in _AS_THEY_ARE else str(value)}
