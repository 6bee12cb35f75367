"""Rows of spans that were recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.traces.row import SECOND, Row
from shared.contracts.job import StageName
from shared.contracts.record import SpanKind, SpanRecord
from shared.contracts.trace import Segment, SpanError, SpanState
from shared.telemetry.attributes import ATTEMPT, JOB, PART, SEGMENT, STAGE

LATEST = 4_102_444_800 * SECOND  # the year 2100; what a broken clock says beyond is cut

_STAGES = {stage.value: stage for stage in StageName}
_SEGMENTS = {segment.value: segment for segment in Segment}
_SERVICE, _PROCESS = "service.name", "process"  # as the store adds them
_FIELDS = frozenset({JOB, STAGE, ATTEMPT, PART, SEGMENT, _SERVICE, _PROCESS})  # told by the row itself


def unique(records: Iterable[SpanRecord]) -> list[SpanRecord]:
    """Return the spans, each once; of one that was recorded twice, that which ended later."""
    found: dict[str, SpanRecord] = {}
    for record in records:
        if record.span_id not in found or found[record.span_id].ended_ns < record.ended_ns:
            found[record.span_id] = record
    return list(found.values())


def rows(records: Iterable[SpanRecord]) -> list[Row]:
    """Return a row for each span."""
    return [_row(record) for record in unique(records)]


def _row(record: SpanRecord) -> Row:
    said = record.attributes
    began = min(max(0, record.began_ns), LATEST)
    return Row(
        id=record.span_id,
        parent=record.parent_id,
        name=record.name,
        kind=record.kind,
        segment=_segment(record),
        began=began,
        ended=max(began, min(record.ended_ns, LATEST)),
        job_id=str(said.get(JOB, "")),
        stage=_STAGES.get(str(said.get(STAGE, ""))),
        part=str(said.get(PART, "")),
        attempt=said[ATTEMPT] if isinstance(said.get(ATTEMPT), int) else 0,
        service=str(said.get(_SERVICE, "")),
        process=str(said.get(_PROCESS, "")),
        state=SpanState.ERROR if record.is_error else SpanState.OK,
        error=_error(record) if record.is_error else None,
        attributes={name: value for name, value in said.items() if name not in _FIELDS},
        links=record.links,
    )


def _segment(record: SpanRecord) -> Segment:
    said = _SEGMENTS.get(str(record.attributes.get(SEGMENT, "")))
    if said is None and record.kind is SpanKind.SERVER:
        return Segment.REQUEST
    return said or Segment.WORK


def _error(record: SpanRecord) -> SpanError:
    said: Mapping[str, Any] = record.attributes
    kind = str(said.get("error.type", ""))
    return SpanError(
        type=kind,
        code=str(said.get("vedette.error.code", "")),
        failure_class=str(said.get("vedette.error.class", "")),
        fingerprint=str(said.get("vedette.error.fingerprint", "")),
        message=record.error if record.error != kind else "",
    )
