"""What can be followed: `jobs`, `job:<id>`, `queues`, `system`; and how each is now."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import lookup
from gateway.auth import Caller, Forbidden
from gateway.standing import standing
from shared.contracts.identity import Permission
from shared.contracts.job import JobState, JobView
from shared.contracts.live import JobsNow
from shared.errors import InvalidInput
from shared.store import jobs
from shared.store.engine import reading

JOBS = "jobs"
JOB = "job:"
QUEUES = "queues"
SYSTEM = "system"
NEWEST = 50  # jobs in a snapshot
_WAITING = frozenset({JobState.SCHEDULED, JobState.QUEUED})


class TopicUnknown(InvalidInput):
    """There is no such topic."""


def find(caller: Caller, asked: str) -> str:
    """Return a topic as it is called here, the id of a job complete.

    Raises TopicUnknown, Forbidden, and what `lookup.job_id` raises, also for jobs of other organisations.
    """
    if Permission.READ not in caller.permissions:
        raise Forbidden("This needs the permission `read`.", cure="Ask an admin of the organisation.")
    if asked in {JOBS, QUEUES, SYSTEM}:
        return asked
    if asked.startswith(JOB):
        with reading(caller.org_id) as connection:
            return JOB + lookup.job_id(connection, caller, asked.removeprefix(JOB))
    raise TopicUnknown(f"There is no topic {asked[:64]!r}.", cure=f"There is: {JOBS}, {JOB}ID, {QUEUES}, {SYSTEM}.")


def jobs_now(caller: Caller) -> JobsNow:
    """Return the jobs of the caller's organisation: counts, and the newest."""
    with reading(caller.org_id) as connection:
        counts = jobs.open_counts(connection, caller.org_id)
        newest = jobs.page(connection, caller.org_id, limit=NEWEST)
    waiting = sum(count for state, count in counts.items() if state in _WAITING)
    return JobsNow(running=sum(counts.values()) - waiting, waiting=waiting, by_state=counts, jobs=standing(newest))


def job_now(caller: Caller, topic: str) -> JobView:
    """Return the job of a topic. Raises jobs.JobNotFound."""
    with reading(caller.org_id) as connection:
        found = jobs.view(connection, topic.removeprefix(JOB), caller.org_id)
    return standing([found])[0]


def told_of(topics: Sequence[str] | frozenset[str], job_id: str) -> list[str]:
    """Return those of the topics that an event of this job belongs to."""
    return [topic for topic in (JOBS, JOB + job_id) if topic in topics]
