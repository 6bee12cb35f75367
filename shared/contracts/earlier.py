"""What users of the earlier systems send and get: the same jobs in their words."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.contracts.job import Contract, Profile, Written
from shared.contracts.queues import QueueView, WorkerView


class EarlierScan(Written):
    """One host to scan."""

    target: str = Field(min_length=1, max_length=300)
    ports: str = Field(default="", max_length=2000)
    profile: Profile = Profile.STANDARD


class EarlierTask(Contract):
    """What was taken in. task_id, job_id: the same id under both of its names."""

    task_id: str
    job_id: str
    state: str = "PENDING"
    status: str = "queued"


class EarlierTasks(Contract):
    """What was taken in together."""

    batch_id: str
    job_ids: list[str]
    total: int


class EarlierScanState(Contract):
    """How far a scan is. state: PENDING, PROGRESS, SUCCESS, FAILURE or REVOKED; progress: of 100."""

    task_id: str
    state: str
    status: str
    progress: int = Field(ge=0, le=100)
    current_group: str = ""
    group_size: int = 0
    result: dict[str, Any] | None = None
    error: str = ""


class WorkerStats(Contract):
    """avg_processing_time: seconds.  success_rate: of 1."""

    active_workers: int
    total_pending: int
    jobs_processed_24h: int
    jobs_failed_24h: int
    avg_processing_time: float
    success_rate: float
    queue_depths: dict[str, int]


class WorkersStatus(Contract):
    workers: list[WorkerView]
    total: int
    busy: int


class QueuesStatus(Contract):
    queues: list[QueueView]
    total_pending: int


class ScaleRequest(Written):
    """How many workers a service shall have."""

    service: str = Field(min_length=1, max_length=64)
    count: int = Field(ge=0, le=1000)
