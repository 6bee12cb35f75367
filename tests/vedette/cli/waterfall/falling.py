"""Traces to draw, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.contracts.job import JobState
from shared.contracts.trace import Group, Segment, Span, SpanError, SpanState, Stretch, Totals, Trace, TracedJob

JOB, TRACE = "01a21547-a50e-77cd-b90c-26dc3f0f6e1b", "4bf92f3577b34da6a3ce929d0e0e4736"
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
_SEGMENTS = {
    "wait": Segment.WAIT,
    "backoff": Segment.BACKOFF,
    "run": Segment.RUN,
    "send": Segment.SEND,
    "job": Segment.JOB,
}


def span(name: str, start_s: float, end_s: float, parent: str | None = "job", **fields: Any) -> Span:
    """A span whose id is its name, with the segment and the stage that its name says."""
    first, _, rest = name.partition(" ")
    made: dict[str, Any] = {"id": name, "name": name, "parent_id": parent, "depth": 1, "job_id": JOB}
    made |= {"segment": _SEGMENTS.get(first, Segment.WORK), "start_s": start_s, "duration_s": end_s - start_s}
    stage = (rest if first in _SEGMENTS else first).partition(" ")[0]
    if stage in {"scan", "process", "report", "notify"}:
        made["stage"] = stage
    return Span(**{**made, **fields})


def top(duration_s: float, **fields: Any) -> Span:
    return span("job", 0, duration_s, None, **{"depth": 0, "is_critical": True, **fields})


def trace(spans: Sequence[Span], state: JobState = JobState.SUCCEEDED, **fields: Any) -> Trace:
    duration_s = max(0.0, *(each.start_s + each.duration_s for each in spans), 0.0)
    is_live = any(each.state is SpanState.LIVE for each in spans)
    made: dict[str, Any] = {
        "trace_id": TRACE,
        "jobs": [TracedJob(id=JOB, kind="host", target="127.0.0.1", state=state)],
        "began_at": AT,
        "as_of": AT + timedelta(seconds=min(duration_s, 1e6)),
        "duration_s": duration_s,
        "is_live": is_live,
        "is_recorded": True,
        "totals": Totals(ran_s=duration_s, spans=len(spans), processes=5),
        "spans": list(spans),
    }
    return Trace(**{**made, **fields})


def retried() -> Trace:
    """A job whose scan failed once, backed off for a minute, and then did well, with much inner work."""
    error = SpanError(
        type="HostSilent",
        code="host-silent",
        failure_class="temporary",
        fingerprint="3f2a9c01d4e5b677",
        message="127.0.0.1 did not answer on any port.",
    )
    ports = Group(count=12, min_s=0.002, median_s=0.01, max_s=0.08, total_s=0.9)
    spans = [
        top(65.2),
        span("POST /api/v1/jobs", 0, 0.03, segment=Segment.REQUEST),
        span("send scan", 0.02, 0.03, "POST /api/v1/jobs", depth=2),
        span("wait scan", 0.03, 0.4, is_critical=True, attempt=1),
        span("run scan", 0.4, 1.9, is_critical=True, attempt=1, state=SpanState.ERROR, error=error),
        span("backoff scan", 1.9, 61.9, is_critical=True, attempt=2),
        span("run scan", 62, 64.2, id="second", is_critical=True, attempt=2),
        span("resolve", 62, 62.1, "second", depth=2, is_critical=True, stage="scan"),
        span("sweep ports", 62.1, 63.6, "second", depth=2, is_critical=True, stage="scan"),
        span("connect", 62.1, 63.5, "sweep ports", depth=3, group=ports, stage="scan"),
        span("send process", 64.19, 64.2, "second", depth=2),
        span("wait process", 64.2, 64.3, is_critical=True),
        span("run process", 64.3, 64.5, is_critical=True),
        span("wait report", 64.5, 64.6, is_critical=True),
        span("run report", 64.6, 65.2, is_critical=True),
        span("report html", 64.6, 64.8, "run report", depth=2),
        span("report pdf", 64.6, 65.2, "run report", depth=2, is_critical=True),
    ]
    path = [
        *(_whole(spans, each) for each in ("wait scan", "run scan", "backoff scan", "resolve", "sweep ports")),
        Stretch(span_id="second", start_s=63.6, duration_s=0.6),
        *(_whole(spans, each) for each in ("wait process", "run process", "wait report", "report pdf")),
    ]
    totals = Totals(ran_s=4.53, waited_s=0.57, backed_off_s=60.0, idle_s=0.1, spans=28, errors=1, processes=6)
    return trace(spans, totals=totals, critical_path=path)


def _whole(spans: Sequence[Span], name: str) -> Stretch:
    found = next(each for each in spans if each.id == name)
    return Stretch(span_id=found.id, start_s=found.start_s, duration_s=found.duration_s)
