"""Jobs that are changed while they wait, and deleted when they are over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from shared.contracts.job import TERMINAL
from shared.contracts.submission import JobChange
from shared.errors import Conflict
from shared.store.jobs import JobNotFound
from shared.store.tables import dead_letters, jobs, line_batches, span_batches


class JobSent(Conflict):
    """The job is on its way, with the priority and the deadline that it had."""


class JobOver(Conflict):
    """The job has ended, so that nothing of it can be changed."""


class JobOpen(Conflict):
    """The job has not ended, so that it cannot be deleted."""


def change(connection: Connection, job_id: str, asked: JobChange, lane: str | None) -> None:
    """Change what is given. lane: that of a new priority.  Raises JobNotFound, JobOver, JobSent."""
    columns = (jobs.c.request, jobs.c.finished_at, jobs.c.published_at)
    row = connection.execute(select(*columns).where(jobs.c.id == job_id).with_for_update()).one_or_none()
    if row is None:
        raise JobNotFound(f"There is no job {job_id}.", cure="List them: vedette jobs list")
    if row.finished_at:
        raise JobOver(f"Job {job_id} is over.", cure="Submit it again: vedette jobs rerun")
    given = asked.model_dump(exclude_none=True, mode="json")
    if row.published_at and given.keys() - {"tags"}:
        raise JobSent(f"Job {job_id} is with the broker already.", cure="Cancel it, and submit it again.")
    request = {**row.request, "options": {**row.request["options"], **_options(given)}}
    values: dict[str, Any] = {"request": request, **_options(given)}
    if asked.deadline_at is not None:
        values["deadline_at"] = asked.deadline_at
    if lane is not None:
        values["lane"] = lane
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))


def remove(connection: Connection, job_id: str) -> tuple[str, datetime]:
    """Delete a job and all that came of it; return its target and when it ended. Raises JobNotFound, JobOpen."""
    columns = (jobs.c.target, jobs.c.state, jobs.c.finished_at)
    row = connection.execute(select(*columns).where(jobs.c.id == job_id).with_for_update()).one_or_none()
    if row is None:
        raise JobNotFound(f"There is no job {job_id}.", cure="List them: vedette jobs list")
    if row.state not in TERMINAL:
        raise JobOpen(f"Job {job_id} is {row.state}.", cure="Cancel it first: vedette jobs cancel")
    connection.execute(delete(dead_letters).where(dead_letters.c.job_id == job_id))
    for recorded in (line_batches, span_batches):  # they may come before their job, and after it
        connection.execute(delete(recorded).where(recorded.c.job_id == job_id))
    connection.execute(delete(jobs).where(jobs.c.id == job_id))  # the rest by its foreign keys
    return row.target, row.finished_at


def _options(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("tags", "priority") if name in given}
