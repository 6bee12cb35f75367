"""OTLP/JSON, read as a collector reads it."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.traces import otlp
from gateway.traces.source import Source
from shared.contracts.job import StepState
from shared.contracts.record import SpanKind, SpanLink
from tests.gateway.traces.making import JOB, TRACE, ZERO, at, finished, job, run, span, started, step

TOP, RUN, OTHER = "0" * 15 + "1", "0" * 15 + "2", "f" * 16
SPANS = [
    span("job", 0, 1, span_id=TOP, segment="job"),
    span("run scan", 9, 91, TOP, RUN, segment="run", stage="scan", attempt=1, ratio=0.5, many=True, of=["a", 1]),
]


def read(source: Source) -> ExportTraceServiceRequest:
    """Ids are hex in OTLP/JSON, against the rule of protobuf's own JSON."""
    document: Any = json.loads(json.dumps(otlp.document(source)))
    for resource in document["resourceSpans"]:
        for made in resource["scopeSpans"][0]["spans"]:
            for known in (made, *made.get("links", [])):
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in known:
                        known[name] = base64.b64encode(bytes.fromhex(known[name])).decode()
    return json_format.ParseDict(document, ExportTraceServiceRequest())


def spans(source: Source) -> dict[str, Any]:
    found = read(source)
    return {one.name: one for resource in found.resource_spans for scope in resource.scope_spans for one in scope.spans}


def source(*records: Any, of: Any = None) -> Source:
    return Source(TRACE, at(1000), [of or run(job(95), started(10), finished(90))], records, {JOB: TOP})


def test_a_recorded_span_is_as_it_was_recorded() -> None:
    failed = {"is_error": True, "error": "No answer.", "kind": SpanKind.CONSUMER}
    failed["links"] = [SpanLink(trace_id=TRACE, span_id=OTHER)]
    made = spans(source(SPANS[0], SPANS[1].model_copy(update=failed)))
    one = made["run scan"]
    assert (one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex()) == (TRACE, RUN, TOP)
    assert (one.start_time_unix_nano, one.kind, one.status.code, one.status.message) == (
        ZERO + 9_000_000,
        5,
        2,
        "No answer.",
    )
    assert one.links[0].span_id.hex() == OTHER
    said = {each.key: each.value for each in one.attributes}
    assert (said["vedette.stage"].string_value, said["vedette.attempt"].int_value) == ("scan", 1)
    assert (said["vedette.ratio"].double_value, said["vedette.many"].bool_value) == (0.5, True)
    assert [each.string_value for each in said["vedette.of"].array_value.values][:1] == ["a"]
    assert "process" not in said


def test_spans_are_grouped_by_the_process_that_made_them() -> None:
    [resource] = read(source(*SPANS)).resource_spans[:1]
    said = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert said == {"service.namespace": "vedette", "service.name": "vedette-scan", "service.instance.id": "h:1"}
    assert len(resource.scope_spans[0].spans) == 2


def test_what_only_the_ledger_knows_is_in_it_once_it_is_over() -> None:
    lost = run(job(95), started(5), started(10, 2), finished(90))
    made = spans(source(SPANS[0], of=lost))
    assert set(made) == {"job", "wait scan", "run scan"}
    assert made["run scan"].parent_span_id.hex() == TOP
    assert "vedette.from_ledger" in {each.key for each in made["run scan"].attributes}


def test_what_goes_on_is_not_in_it() -> None:
    live = run(job(None, step(StepState.RUNNING)), started(10))
    assert set(spans(source(SPANS[0], of=live))) == {"job", "wait scan"}
