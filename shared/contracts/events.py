"""Facts in the past tense, told on the bus and kept in the job's timeline. Notifications, never the truth."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.contracts.job import Contract


class EventType(StrEnum):
    JOB_CREATED = "job.created"
    JOB_QUEUED = "job.queued"
    JOB_STARTED = "job.started"
    JOB_FINISHED = "job.finished"
    JOB_SCHEDULED = "job.scheduled"
    JOB_CANCELLING = "job.cancelling"
    JOB_REVIVED = "job.revived"  # retried, resumed or replayed: a new run
    REPORT_ORDERED = "report.ordered"  # of a job that was over
    JOB_REPAIRED = "job.repaired"  # the reconciler put something right
    STAGE_STARTED = "stage.started"
    STAGE_PROGRESSED = "stage.progressed"
    STAGE_RETRYING = "stage.retrying"
    STAGE_FINISHED = "stage.finished"
    STAGE_FAILED = "stage.failed"
    STAGE_CANCELLED = "stage.cancelled"


class Event(Contract):
    """One fact. `id` grows within a job; progress events have id 0 and are not kept."""

    id: int = 0
    type: EventType
    at: datetime
    org_id: str
    job_id: str
    stage: str = ""
    part: str = ""
    data: dict[str, Any] = {}
    trace_id: str = ""
