"""Keeps the spans that end and the lines of jobs until they are sent: bounded, and what is too much is counted."""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from shared.spool import batches
from shared.spool.batches import Line
from shared.spool.stream import send
from shared.telemetry.attributes import ATTEMPT, JOB, ORG, STAGE

log = structlog.get_logger()

MOST = 10_000  # spans, and lines, between two flushes; what is more is counted and dropped
MOST_SAID = 2 * 1024 * 1024  # characters of lines between two flushes; more is counted and dropped
_BOUND = {"job_id": JOB, "org_id": ORG, "stage": STAGE, "attempt": ATTEMPT}  # what a stage binds to its log lines


class Spool(SpanProcessor):
    """Keeps the ended spans of jobs until `flush`; those of nothing with an organisation are not kept."""

    def __init__(self, service: str, every_s: float | None = None) -> None:
        """every_s: flush so often, by a thread; None: whoever makes the spans says when."""
        self._service = service
        self._every_s = every_s
        self._flushed_at = 0.0
        self._lock = threading.Lock()
        self._spans: list[ReadableSpan] = []
        self._lines: list[Line] = []
        self._dropped = self._unsaid = self._said = 0
        self._due = threading.Event()
        self._is_over = False
        if every_s is not None:
            threading.Thread(target=self._keep_flushing, name="spool", daemon=True).start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Say of a span inside a stage whose it is."""
        del parent_context
        bound = structlog.contextvars.get_contextvars()
        if bound.keys() & _BOUND.keys():
            had = span.attributes or {}
            span.set_attributes({_BOUND[key]: bound[key] for key in _BOUND if key in bound and _BOUND[key] not in had})

    def on_end(self, span: ReadableSpan) -> None:
        if not (span.attributes or {}).get(ORG):
            return
        with self._lock:
            if len(self._spans) >= MOST:
                self._dropped += 1
            else:
                self._spans.append(span)
            is_much = len(self._spans) >= batches.AT_ONCE
        if is_much:
            self._due.set()

    def keep_line(self, org_id: str, job_id: str, line: dict[str, Any]) -> None:
        """Take a log line of a job, until `flush`."""
        size = sum(len(str(value)) for value in line.values())
        with self._lock:
            if len(self._lines) >= MOST or self._said >= MOST_SAID:
                self._unsaid += 1
            else:
                self._said += size
                self._lines.append((org_id, job_id, line))

    def flush(self) -> None:
        """Send what there is."""
        with self._lock:
            spans, lines, dropped, unsaid = self._spans, self._lines, self._dropped, self._unsaid
            self._spans, self._lines, self._dropped, self._unsaid, self._said = [], [], 0, 0, 0
        if spans or lines:
            self._flushed_at = time.monotonic()
            send(batches.grouped(self._service, spans, lines, {"dropped": dropped, "unsaid": unsaid}))

    def flush_seldom(self) -> None:
        """Send what there is, unless some was sent just now: the thread sends this too, in time.

        So what a quiet process records is on its way at once, and a busy one sends that of several jobs together.
        """
        if time.monotonic() >= self._flushed_at + (self._every_s or 0.0):
            self.flush()

    def shutdown(self) -> None:
        self._is_over = True
        self._due.set()
        self.flush()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        del timeout_millis
        self.flush()
        return True

    def _keep_flushing(self) -> None:
        while not self._is_over:
            self._due.wait(self._every_s)
            self._due.clear()
            try:
                self.flush()
            except Exception:  # what one library put into a span must not end what all others are kept by
                log.exception("spool.flush.failed")
