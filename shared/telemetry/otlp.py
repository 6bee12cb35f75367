"""Spans to any OTLP endpoint, as the standard `OTEL_*` variables say. Without one of them nothing is loaded or sent.

A thread sends them in batches, and nobody waits. What an endpoint that is away does not take is dropped, and so is what
ends before it is tried again: making ready what nobody takes would cost the jobs.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Sequence

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

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
SHORTEST_S, LONGEST_S = 5.0, 60.0  # pauses after an endpoint did not take a batch: the first, and what they grow to


def processors() -> Sequence[SpanProcessor]:
    """Return the processor that the environment asks for, or none. It has a thread: call this after the last fork."""
    if not is_asked_for():
        return []
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  0.1 s

    if (asked := _first(_PROTOCOLS)) not in ("", _SPOKEN):
        log.warning("otlp.protocol.unknown", asked=asked, used=_SPOKEN)
    for name in _SPEAKERS:
        logging.getLogger(name).addFilter(_seldom)
    return [Patient(OTLPSpanExporter())]


def is_asked_for() -> bool:
    """Whether the environment names an endpoint, and does not take that back."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return bool(_first(_ENDPOINTS)) and not is_off and os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none"


class Endpoint(SpanExporter):
    """Gives batches to an exporter; after one that was not taken it drops all for a while that grows."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._until = 0.0  # by the monotonic clock; without end while it is tried again
        self._pause_s = 0.0
        self._dropped = 0

    def drops(self, spans: int = 1) -> bool:
        """Whether the endpoint is away; so many spans are dropped then."""
        is_away = bool(self._until) and time.monotonic() < self._until
        self._dropped += spans if is_away else 0
        return is_away

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.drops(len(spans)):  # they waited while the one before them was not taken
            return SpanExportResult.FAILURE
        if self._pause_s:
            self._until = math.inf
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:  # an exporter that raises has sent nothing either, and is to be tried again
            if result is SpanExportResult.SUCCESS:
                self._is_back()
            else:
                self._is_away(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def _is_back(self) -> None:
        if self._pause_s:
            log.info("otlp.endpoint.back", dropped=self._dropped)
        self._until, self._pause_s, self._dropped = 0.0, 0.0, 0

    def _is_away(self, spans: int) -> None:
        self._dropped += spans
        self._pause_s = min(max(SHORTEST_S, 2 * self._pause_s), LONGEST_S)
        self._until = time.monotonic() + self._pause_s
        log.warning("otlp.endpoint.away", pause_s=self._pause_s, dropped=self._dropped)


class Patient(BatchSpanProcessor):
    """Sends spans in batches, by a thread of its own; while the endpoint is away none is even queued."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._endpoint = Endpoint(exporter)
        super().__init__(self._endpoint)

    def on_end(self, span: ReadableSpan) -> None:
        if not self._endpoint.drops():
            super().on_end(span)


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
