"""What one event adds to which counters. Pure: `rollups` reads the events and keeps the sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.contracts.events import Event, EventType
from shared.contracts.job import StageName
from shared.contracts.lanes import LANES
from shared.store.step import STAGES

BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 120, 300, 600)
INFINITE = "+Inf"
_CHANNELS = {"https": "webhook", "http": "webhook", "mailto": "mail"}

Series = tuple[str, tuple[tuple[str, str], ...]]  # a name, and its labels by name
Counts = dict[Series, float]


def count(events: Iterable[Event], lanes: Mapping[str, str]) -> Counts:
    """Return what events add to the counters. lanes: those of jobs, by id; without one a scan is of the usual lane."""
    counts: Counts = {}
    for event in events:
        _COUNTED.get(event.type, _nothing)(counts, event, lanes.get(event.job_id, StageName.SCAN.value))
    return counts


def _nothing(_counts: Counts, _event: Event, _lane: str) -> None:
    """Events of these types say nothing that is counted."""


def _up(counts: Counts, name: str, labels: Mapping[str, str], by: float = 1) -> None:
    series = name, tuple(sorted(labels.items()))
    counts[series] = counts.get(series, 0.0) + by


def _observe(counts: Counts, name: str, labels: Mapping[str, str], value: float) -> None:
    """Add one value to a histogram."""
    for bound in BUCKETS_S:
        if value <= bound:
            _up(counts, f"{name}_bucket", {**labels, "le": f"{bound:g}"})
    _up(counts, f"{name}_bucket", {**labels, "le": INFINITE})
    _up(counts, f"{name}_sum", labels, value)


def _of_task(stage: str, lane: str) -> dict[str, str]:
    queue = lane if stage == StageName.SCAN else LANES[StageName(stage)][0]
    return {"name": f"{stage}.run", "queue_name": queue}


def _task(counts: Counts, what: str, stage: str, lane: str) -> None:
    _up(counts, f"celery_task_{what}", _of_task(stage, lane))


def _queued(counts: Counts, event: Event, lane: str) -> None:
    _task(counts, "sent", StageName.SCAN, str(event.data.get("lane") or lane))


def _started(counts: Counts, event: Event, lane: str) -> None:
    if event.part:
        return
    _task(counts, "received", event.stage, lane)
    _task(counts, "started", event.stage, lane)
    if isinstance(waited_s := event.data.get("waited_s"), (int, float)):
        _observe(counts, "vedette_stage_wait_seconds", {"stage": event.stage}, waited_s)


def _finished(counts: Counts, event: Event, lane: str) -> None:
    if event.part:
        _told(counts, event, "sent")
        return
    if event.data.get("is_skipped"):
        return
    _task(counts, "succeeded", event.stage, lane)
    if event.stage != STAGES[-1]:
        _task(counts, "sent", STAGES[STAGES.index(StageName(event.stage)) + 1], lane)
    if isinstance(ran_s := event.data.get("ran_s"), (int, float)):
        _observe(counts, "vedette_stage_duration_seconds", {"stage": event.stage}, ran_s)
        _observe(counts, "celery_task_runtime", _of_task(event.stage, lane), ran_s)


def _retrying(counts: Counts, event: Event, lane: str) -> None:
    _up(counts, "vedette_retries", {"class": str(event.data.get("failure_class", "")), "stage": event.stage})
    if not event.part:
        _task(counts, "retried", event.stage, lane)
        _task(counts, "sent", event.stage, lane)


def _failed(counts: Counts, event: Event, lane: str) -> None:
    if event.part:
        _told(counts, event, "failed")
        return
    _task(counts, "failed", event.stage, lane)
    if event.stage != STAGES[-1]:
        _task(counts, "sent", STAGES[-1], lane)


def _told(counts: Counts, event: Event, outcome: str) -> None:
    if event.stage == StageName.NOTIFY:
        channel = _CHANNELS.get(event.part.partition("-")[0], "other")
        _up(counts, "vedette_notifications", {"channel": channel, "outcome": outcome})


def _ended(counts: Counts, event: Event, _lane: str) -> None:
    kind, outcome = str(event.data.get("kind") or "unknown"), str(event.data.get("state", ""))
    _up(counts, "vedette_jobs", {"kind": kind, "outcome": outcome})


def _revived(counts: Counts, event: Event, _lane: str) -> None:
    _up(counts, "vedette_dlq_replays", {"stage": str(event.data.get("from", ""))})


_COUNTED = {
    EventType.JOB_QUEUED: _queued,
    EventType.STAGE_STARTED: _started,
    EventType.STAGE_FINISHED: _finished,
    EventType.STAGE_RETRYING: _retrying,
    EventType.STAGE_FAILED: _failed,
    EventType.JOB_FINISHED: _ended,
    EventType.JOB_REVIVED: _revived,
}
