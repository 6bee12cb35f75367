"""Logs and traces. Every line and every span carries the job that it is about; one job is one trace.

Spans are made with the OpenTelemetry SDK. They go to the product's own store (`shared.spool`) and, where the standard
`OTEL_*` variables name one, to any OTLP endpoint (`shared.telemetry.otlp`). Why: docs/decisions/0030.
"""

from __future__ import annotations

from shared.telemetry.logs import start
from shared.telemetry.propagation import trace_id, trace_of, traceparent
from shared.telemetry.tracing import begin, fail, job_trace, open_span, past, span

__all__ = [
    "begin",
    "fail",
    "job_trace",
    "open_span",
    "past",
    "span",
    "start",
    "trace_id",
    "trace_of",
    "traceparent",
]
