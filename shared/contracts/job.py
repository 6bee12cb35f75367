"""A job: one target's way through the pipeline, its states and its steps."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Contract(BaseModel):
    """Parent of every message. Values do not change; fields of a newer version are passed over.

    What people write (`TargetModel`, `Options`) refuses unknown fields instead: there they are typing errors.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


class JobState(StrEnum):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    DEAD = "dead"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobState.CANCELLED, JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.DEAD})


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class StageName(StrEnum):
    """The four stages, in their order. Each is a service and a queue of the same name."""

    SCAN = "scan"
    PROCESS = "process"
    REPORT = "report"
    NOTIFY = "notify"


class Priority(StrEnum):
    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Profile(StrEnum):
    QUICK = "quick"
    STANDARD = "standard"
    COMPREHENSIVE = "comprehensive"


class Failure(Contract):
    """Why a step or job failed, in words for people (`message`, `cure`) and for programs (`code`, `failure_class`)."""

    code: str
    failure_class: str
    message: str
    cure: str = ""
    stage: str = ""
    part: str = ""
    attempt: int = 1


class Progress(Contract):
    """How far a running step is. `done` and `total` count `unit`s; `group` is what it is at now."""

    done: int = Field(ge=0)
    total: int = Field(ge=0)
    unit: str = "items"
    current_group: str = ""
    group_size: int = 0
    note: str = ""


class StepView(Contract):
    """One step of a job as people see it. `part` is empty for the stage itself, else a format or channel."""

    stage: StageName
    part: str = ""
    state: StepState
    attempt: int = 0
    summary: str = ""
    progress: Progress | None = None
    failure: Failure | None = None
    worker: str = ""
    ready_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next_attempt_at: datetime | None = None
    waited_s: float | None = None
    ran_s: float | None = None


class JobView(Contract):
    """One job as people see it: what was asked, how far it is, what came out."""

    id: str
    org_id: str
    batch_id: str | None = None
    kind: str
    target: str
    request: dict[str, Any]
    profile: Profile
    priority: Priority
    lane: str
    state: JobState
    tags: dict[str, str] = {}
    trace_id: str = ""
    score: int | None = None
    grade: str | None = None
    severities: dict[str, int] = {}
    failure: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deadline_at: datetime | None = None
    waited_s: float | None = None
    ran_s: float | None = None
    total_s: float | None = None
    steps: list[StepView] = []
