"""Spans to any OTLP endpoint, as the standard `OTEL_*` variables say. Without one of them nothing is loaded or sent.

A thread sends them in batches; what an endpoint that is away does not take in time is dropped, and nobody waits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import structlog
from opentelemetry.sdk.trace import SpanProcessor

log = structlog.get_logger()

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"
_SPEAKERS = (
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.trace.export",
)
SAY_EVERY_S = 60.0


def processors() -> Sequence[SpanProcessor]:
    """Return the processor that the environment asks for, or none. It has a thread: call this after the last fork."""
    if not is_asked_for():
        return []
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  0.1 s
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    if (asked := _first(_PROTOCOLS)) not in ("", _SPOKEN):
        log.warning("otlp.protocol.unknown", asked=asked, used=_SPOKEN)
    for name in _SPEAKERS:
        logging.getLogger(name).addFilter(_seldom)
    return [BatchSpanProcessor(OTLPSpanExporter())]


def is_asked_for() -> bool:
    """Whether the environment names an endpoint, and does not take that back."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return bool(_first(_ENDPOINTS)) and not is_off and os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none"


class Seldom(logging.Filter):
    """Lets one line through in `SAY_EVERY_S`: exporters speak at every try, and an endpoint may be away for days."""

    def __init__(self) -> None:
        super().__init__()
        self._next_at = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        is_due = record.created >= self._next_at
        if is_due:
            self._next_at = record.created + SAY_EVERY_S
        return is_due


_seldom = Seldom()  # one for all of them


def _first(names: Sequence[str]) -> str:
    return next((value for name in names if (value := os.environ.get(name, ""))), "")
