"""Ended spans and log lines as batches: what `contracts.record.RecordBatch` reads.

Plain values: models of thousands of spans would cost the jobs, and whoever takes them in checks them anyway.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, StatusCode

from shared.ids import new_id
from shared.telemetry.attributes import JOB, ORG

AT_ONCE = 1000  # spans, and lines, in one batch
Line = tuple[str, str, dict[str, Any]]  # organisation, job, and what `contracts.logs.LineRecord` reads


def grouped(
    service: str, spans: Sequence[ReadableSpan], lines: Sequence[Line], lost: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return what there is as batches, by organisation, job and trace; the first batch says what was lost."""
    of: dict[tuple[str, str, str], tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    for span in spans:
        attributes, plain = span.attributes or {}, _plain(span)
        key = str(attributes[ORG]), str(attributes.get(JOB, "")), str(plain["trace_id"])
        of.setdefault(key, ([], []))[0].append(plain)
    for org_id, job_id, line in lines:
        of.setdefault((org_id, job_id, line["trace_id"]), ([], []))[1].append(line)
    process = f"{socket.gethostname()}:{os.getpid()}"
    found: list[dict[str, Any]] = []
    for (org_id, job_id, _), (mine, said) in of.items():
        for start in range(0, max(len(mine), len(said)), AT_ONCE):
            batch = {"id": new_id(), "org_id": org_id, "job_id": job_id, "service": service, "process": process}
            piece = slice(start, start + AT_ONCE)
            found.append({**batch, "spans": mine[piece], "lines": said[piece], **lost})
            lost = {}
    return found


def _plain(span: ReadableSpan) -> dict[str, Any]:
    made: dict[str, Any] = {
        **_ids(span.context),
        "name": span.name,
        "kind": span.kind.name.lower(),
        "began_ns": span.start_time,
        "ended_ns": span.end_time,
        "attributes": dict(span.attributes or {}),
    }
    if span.parent is not None:
        made["parent_id"] = trace.format_span_id(span.parent.span_id)
    if span.status.status_code is StatusCode.ERROR:
        made |= {"is_error": True, "error": span.status.description or ""}
    if span.links:
        made["links"] = [_ids(link.context) for link in span.links]
    return made


def _ids(context: SpanContext) -> dict[str, str]:
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}
