"""A job: one target's way through the pipeline, its states and its steps."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Contract(BaseModel):
    """Parent of every message. Values do not change; fields of a newer version are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Written(Contract):
    """Parent of what people write. Unknown fields are refused: here they are typing errors."""

    model_config = ConfigDict(extra="forbid")


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
    """Why a step or job failed, in words for people (`message`, `cure`) and for programs (`code`, `failure_class`).

    is_dead: no stage said no; the job was stopped from outside (quarantine, hard limit, lost message).
    """

    code: str
    failure_class: str
    message: str
    cure: str = ""
    stage: str = ""
    part: str = ""
    attempt: int = 1
    is_dead: bool = False


class Progress(Contract):
    """How far a running step is. `done` and `total` count `unit`s; `group` is what it is at now."""

    done: int = Field(ge=0)
    total: int = Field(ge=0)
    unit: str = "items"
    current_group: str = ""
    group_size: int = 0
    note: str = ""


class WaitingReason(StrEnum):
    """Why a job is not running right now: computed, never guessed."""

    NO_CONSUMER = "no_consumer"
    QUEUE_PAUSED = "queue_paused"
    ORG_LIMIT = "org_limit"
    RETRY_BACKOFF = "retry_backoff"
    NOT_DUE = "not_due"
    UPSTREAM_STAGE = "upstream_stage"
    BEHIND_N = "behind_n"
    BROKER_DOWN = "broker_down"
    WORKERS_BUSY = "workers_busy"
    WORKER_LOST = "worker_lost"  # its delivery comes back when the lease has run out
    MESSAGE_LOST = "message_lost"  # the reconciler sends it again
    STARTING = "starting"  # taken in this moment; nothing is in its way


class Waiting(Contract):
    """What a job waits for.

    why: one sentence for people.  fix: what the reader can do, a command where there is one.

    ahead: messages before it (behind_n).  next_at: when it is tried or due, as far as known.
    """

    reason: WaitingReason
    stage: StageName
    queue: str = ""
    since: datetime | None = None
    why: str
    fix: str = ""
    ahead: int | None = None
    next_at: datetime | None = None
    attempt: int | None = None
    by: str = ""


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
    """One job as people see it: what was asked, how far it is, what came out.

    origin_id: the job that this one repeats.  run: 1, and one more each time it was revived. started_at, finished_at
    and the seconds are of this run, which a scheduled job begins when it is due. held_at: since when it waits for a
    place among the jobs that its organisation may run at once.
    """

    id: str
    org_id: str
    batch_id: str | None = None
    origin_id: str | None = None
    run: int = 1
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
    due_at: datetime | None = None
    cancelled_by: str = ""
    created_by: str = ""
    held_at: datetime | None = None
    waiting: Waiting | None = None
    waited_s: float | None = None
    ran_s: float | None = None
    total_s: float | None = None
    steps: list[StepView] = []
