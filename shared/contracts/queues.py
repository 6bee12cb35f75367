"""Queues and workers as people see them."""

from __future__ import annotations

from datetime import datetime

from shared.contracts.job import Contract, StageName


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
