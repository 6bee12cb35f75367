"""Rows, spans, jobs and events for tests, in milliseconds after a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.traces.row import Row
from gateway.traces.run import Run, runs
from shared.contracts.events import Event, EventType
from shared.contracts.job import JobState, JobView, Priority, Profile, StageName, StepState, StepView
from shared.contracts.record import SpanRecord
from shared.contracts.trace import Segment

MS = 1_000_000
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
ZERO = round(AT.timestamp()) * 1000 * MS
JOB, TRACE = "01a21547-a50e-77cd-b90c-26dcec00a8bc", "4bf92f3577b34da6a3ce929d0e0e4736"


def at(ms: float) -> datetime:
    return AT + timedelta(milliseconds=ms)


def row(row_id: str, began: int, ended: int, parent: str = "", **fields: Any) -> Row:
    made = {"name": row_id, "job_id": JOB, **fields}
    return Row(id=row_id, began=ZERO + began * MS, ended=ZERO + ended * MS, parent=parent, **made)


def top(began: int = 0, ended: int = 0, **fields: Any) -> Row:
    return row("job", began, ended, segment=Segment.JOB, **fields)


def span(name: str, began: float, ended: float, parent: str = "", span_id: str = "", **attributes: Any) -> SpanRecord:
    """attributes: those of ours, without their prefix: `job_id`, `segment`, `stage`, `part`."""
    said = {"vedette.job.id": JOB, "service.name": "scan", "process": "h:1"}
    said |= {f"vedette.{key}": value for key, value in attributes.items()}
    return SpanRecord(
        trace_id=TRACE,
        span_id=span_id or name,
        parent_id=parent,
        name=name,
        began_ns=ZERO + round(began * MS),
        ended_ns=ZERO + round(ended * MS),
        attributes=said,
    )


def event(kind: EventType, ms: float, stage: str = "", part: str = "", **data: Any) -> Event:
    return Event(type=kind, at=at(ms), org_id="local", job_id=JOB, stage=stage, part=part, data=data)


def started(ms: float, attempt: int = 1, stage: str = "scan", part: str = "") -> Event:
    return event(EventType.STAGE_STARTED, ms, stage, part, attempt=attempt, worker="scan@h")


def retrying(ms: float, due: float, stage: str = "scan") -> Event:
    failed = {"code": "no-answer", "failure_class": "temporary", "message": "Nobody answered."}
    return event(EventType.STAGE_RETRYING, ms, stage, **failed, next_attempt_at=at(due).isoformat())


def finished(ms: float, stage: str = "scan", part: str = "") -> Event:
    return event(EventType.STAGE_FINISHED, ms, stage, part)


BEGUN = [event(EventType.JOB_CREATED, 0), event(EventType.JOB_QUEUED, 0)]


def job(ended: float | None = None, *steps: StepView, **fields: Any) -> JobView:
    made: dict[str, Any] = {
        "id": JOB,
        "org_id": "local",
        "kind": "host",
        "target": "127.0.0.1",
        "request": {},
        "profile": Profile.QUICK,
        "priority": Priority.NORMAL,
        "lane": "scan",
        "state": JobState.RUNNING if ended is None else JobState.SUCCEEDED,
        "trace_id": TRACE,
        "created_at": at(0),
        "finished_at": None if ended is None else at(ended),
        "steps": list(steps),
    }
    return JobView(**{**made, **fields})


def step(state: StepState, stage: StageName = StageName.SCAN, ready: float | None = 0) -> StepView:
    return StepView(stage=stage, state=state, ready_at=None if ready is None else at(ready))


def run(view: JobView, *events: Event) -> Run:
    return runs(view, [*BEGUN, *events])[-1]
