"""Queues and workers as people see them."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.contracts.job import Contract, StageName, Written


class Pause(Contract):
    """Who stopped a queue, since when and why. Messages stay in it; nobody takes them."""

    by: str
    at: datetime
    reason: str = ""


class QueueView(Contract):
    """waiting: messages in the queue, by priority in `by_priority`.  unacknowledged: in the hands of workers.

    consumers: workers that take from it.  busy, slots: of their children.  oldest_age_s: of what waits longest.
    """

    name: str
    stage: StageName
    waiting: int
    by_priority: dict[str, int] = {}
    unacknowledged: int = 0
    oldest_age_s: float | None = None
    consumers: int = 0
    busy: int = 0
    slots: int = 0
    paused: Pause | None = None


class BrokerMemory(Contract):
    """How full the broker is. fullness: used of the limit, 0..1, None without a limit.  alarm: what is wrong, if so."""

    used_bytes: int = 0
    limit_bytes: int = 0
    fullness: float | None = None
    alarm: str = ""


class QueueList(Contract):
    """All queues, and how full the broker is that holds them."""

    items: list[QueueView]
    memory: BrokerMemory = BrokerMemory()


class ActiveTask(Contract):
    """One task in the hands of a worker."""

    task_id: str
    job_id: str = ""
    stage: str = ""
    since: datetime


class WorkerView(Contract):
    """A worker as it says of itself every two seconds."""

    hostname: str
    service: str
    pid: int
    queues: list[str]
    concurrency: int
    busy: int
    active: list[ActiveTask] = []
    version: str = ""
    started_at: datetime
    seen_at: datetime


class Purge(Contract):
    """What a purge did, or in a dry run would do: `jobs` cancelled, `messages` of no job moved to the dead letters."""

    queue: str
    jobs: int
    messages: int
    dry_run: bool


class PauseRequest(Written):
    """Why a queue is to be paused, for those who wonder."""

    reason: str = Field(default="", max_length=500)


class PurgeRequest(Written):
    """expect: how many jobs and messages may go; when there are more, none goes.  dry_run: only count."""

    expect: int | None = Field(default=None, ge=0)
    dry_run: bool = False
