"""What this process records of jobs, spans and log lines: gathered, sealed, sent over the bus to the store of our own.

Nobody waits for it: a bus that is away costs the records, never the job. What it carries: `contracts.record`.
`control/recorder.py` takes it in.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis
import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from shared import bus, codec
from shared.contracts.record import RecordBatch
from shared.errors import VedetteError
from shared.ids import new_id
from shared.packing import packed, unpacked
from shared.telemetry.tracing import ATTEMPT, JOB, ORG, STAGE
from shared.text import kept

log = structlog.get_logger()

STREAM = "vedette:records"
MAXLEN = 20_000  # batches kept for a control process that is away, about 30 MB
AT_ONCE = 1000  # spans, and lines, in one batch
MOST = 10_000  # spans, and lines, between two flushes; what is more is counted and dropped
LARGEST = 8 * 1024 * 1024  # bytes of a batch, unpacked
MOST_SAID = 2 * 1024 * 1024  # characters of lines between two flushes; more is counted and dropped
FULL = 256 * 1024 * 1024  # bytes in the stream from which on the oldest goes, however few batches there are
_PURPOSE = "record"
Line = tuple[str, str, dict[str, Any]]  # organisation, job, and what `contracts.logs.LineRecord` reads
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
            is_much = len(self._spans) >= AT_ONCE
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
            self._flushed_at = time.monotonic()
            spans, lines, dropped, unsaid = self._spans, self._lines, self._dropped, self._unsaid
            self._spans, self._lines, self._dropped, self._unsaid, self._said = [], [], 0, 0, 0
        if spans or lines:
            send(_batches(self._service, spans, lines, {"dropped": dropped, "unsaid": unsaid}))

    def flush_seldom(self) -> None:
        """Send what there is, unless the thread sent some just now: it sends this too, in time.

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


def send(batches: Sequence[RecordBatch | Mapping[str, Any]]) -> None:
    """Send batches. A bus that is away is logged, never an error."""
    try:
        bus.send([_command(*piece) for batch in batches for piece in _pieces(batch)])
    except (redis.RedisError, OSError, VedetteError) as exc:
        log.warning("spool.send.failed", batches=len(batches), error=type(exc).__name__)


def opened(fields: Mapping[bytes, bytes]) -> RecordBatch:
    """Return the batch in an entry of the stream.

    Raises codec.Unsigned, codec.BadSignature or keyring.StaleKey where this installation has not written it so, and
    ValueError where it is no batch.
    """
    org_id = fields.get(b"org", b"").decode("utf-8", "replace")
    sealed = codec.unseal_bytes(_PURPOSE, fields.get(b"sealed", b""), org_id)
    batch = RecordBatch.model_validate_json(unpacked(sealed, LARGEST))
    if batch.org_id != org_id:
        raise ValueError("The batch is of another organisation than it says.")
    return batch


def _command(org_id: str, sealed: bytes) -> tuple[str | int | bytes, ...]:
    most = max(min(MAXLEN, FULL // len(sealed)), 1)
    return "XADD", STREAM, "MAXLEN", "~", most, "*", "org", org_id, "sealed", sealed


def _pieces(batch: RecordBatch | Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield a batch as organisation and sealed text: in halves where it is larger than `opened` takes."""
    plain = batch.model_dump(mode="json") if isinstance(batch, RecordBatch) else batch
    org_id, spans, lines = plain["org_id"], plain.get("spans", []), plain.get("lines", [])
    try:
        # Half a surrogate pair in one attribute would else cost the whole batch, where it is taken in.
        text = kept(json.dumps(plain, ensure_ascii=False, separators=(",", ":"))).encode()
    except (TypeError, ValueError):  # an attribute that a library or a plug-in made of something odd
        text = b""
    if text and len(text) <= LARGEST:
        yield org_id, codec.seal_bytes(_PURPOSE, packed(text), org_id)
    elif len(spans) <= 1 and len(lines) <= 1:
        log.warning("spool.record.unfit", spans=len(spans), lines=len(lines))
    else:
        one, other = (len(spans) + 1) // 2, (len(lines) + 1) // 2
        yield from _pieces({**plain, "spans": spans[:one], "lines": lines[:other]})
        rest = {"id": new_id(), "spans": spans[one:], "lines": lines[other:], "dropped": 0, "unsaid": 0}
        yield from _pieces({**plain, **rest})


def _batches(
    service: str, spans: Sequence[ReadableSpan], lines: Sequence[Line], lost: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return what there is, by organisation, job and trace; the first batch says what was lost."""
    of: dict[tuple[str, str, str], tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    for span in spans:
        attributes, plain = span.attributes or {}, _plain(span)
        key = str(attributes[ORG]), str(attributes.get(JOB, "")), str(plain["trace_id"])
        of.setdefault(key, ([], []))[0].append(plain)
    for org_id, job_id, line in lines:
        of.setdefault((org_id, job_id, line["trace_id"]), ([], []))[1].append(line)
    process = f"{socket.gethostname()}:{os.getpid()}"
    made: list[dict[str, Any]] = []
    for (org_id, job_id, _), (mine, said) in of.items():
        for start in range(0, max(len(mine), len(said)), AT_ONCE):
            batch = {"id": new_id(), "org_id": org_id, "job_id": job_id, "service": service, "process": process}
            piece = slice(start, start + AT_ONCE)
            made.append({**batch, "spans": mine[piece], "lines": said[piece], **lost})
            lost = {}
    return made


def _plain(span: ReadableSpan) -> dict[str, Any]:
    context, parent, is_error = span.context, span.parent, span.status.status_code is StatusCode.ERROR
    made: dict[str, Any] = {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
        "name": span.name,
        "kind": span.kind.name.lower(),
        "began_ns": span.start_time,
        "ended_ns": span.end_time,
        "attributes": dict(span.attributes or {}),
    }
    if parent is not None:
        made["parent_id"] = trace.format_span_id(parent.span_id)
    if is_error:
        made |= {"is_error": True, "error": span.status.description or ""}
    if span.links:
        made["links"] = [
            {
                "trace_id": trace.format_trace_id(link.context.trace_id),
                "span_id": trace.format_span_id(link.context.span_id),
            }
            for link in span.links
        ]
    return made
