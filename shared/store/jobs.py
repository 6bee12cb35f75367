"""Jobs: made once, read often. Their state is written by `store.ledger` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from shared import telemetry
from shared.contracts.events import EventType
from shared.contracts.job import Failure, JobState, JobView, Priority, Profile, Progress, StageName, StepState, StepView
from shared.contracts.submission import Options
from shared.contracts.target import TargetModel
from shared.errors import NotFound
from shared.ids import new_id, now, seconds
from shared.redaction import shown
from shared.store import pieces, search, timeline
from shared.store.step import STAGES
from shared.store.tables import jobs, steps


class JobNotFound(NotFound):
    """No job of this organisation has this id."""


@dataclass(frozen=True)
class NewJob:
    """What is needed to write one job. `parts` are the parts of stages, e.g. the formats of `report`.

    due_at: when it may begin; without, at once.  origin_id: the job that it repeats.  counted_for: whose limits it
    uses up, the id of a user for all that they and their keys submit.
    linked_to: see `telemetry.job_trace`; None: it is a part of the trace of the request that asks for it.
    """

    org_id: str
    target: TargetModel
    options: Options
    lane: str
    deadline_at: datetime
    batch_id: str | None = None
    linked_to: str | None = None
    parts: Mapping[StageName, Sequence[str]] = field(default_factory=dict)
    due_at: datetime | None = None
    origin_id: str | None = None
    created_by: str = ""
    counted_for: str = ""


def create(connection: Connection, new: Sequence[NewJob]) -> list[str]:
    """Write jobs with all their steps, and return their ids in order."""
    at = now()
    ids = [new_id() for _ in new]
    connection.execute(insert(jobs), [_job_row(job_id, job, at) for job_id, job in zip(ids, new, strict=True)])
    connection.execute(
        insert(steps), [row for job_id, job in zip(ids, new, strict=True) for row in _step_rows(job_id, job, at)]
    )
    timeline.add(
        connection,
        [timeline.Fact(job.org_id, job_id, EventType.JOB_CREATED) for job_id, job in zip(ids, new, strict=True)],
    )
    return ids


def view(connection: Connection, job_id: str, org_id: str | None = None) -> JobView:
    """Return one job with its steps. With `org_id`, only if it is of that organisation. Raises JobNotFound."""
    found = views(connection, [job_id], org_id)
    if not found:
        raise JobNotFound(f"There is no job {job_id}.", cure="List them: vedette jobs list")
    return found[0]


def views(connection: Connection, ids: Sequence[str], org_id: str | None = None) -> list[JobView]:
    """Return the jobs of `ids` that exist, in the order of `ids`."""
    query = select(jobs).where(jobs.c.id.in_(ids))
    if org_id is not None:
        query = query.where(jobs.c.org_id == org_id)
    rows = {row["id"]: row for row in connection.execute(query).mappings()}
    by_job: dict[str, list[StepView]] = {}
    for row in connection.execute(select(steps).where(steps.c.job_id.in_(list(rows)))).mappings():
        by_job.setdefault(row["job_id"], []).append(_step_view(row))
    return [_job_view(rows[job_id], by_job.get(job_id, [])) for job_id in ids if job_id in rows]


def page(
    connection: Connection,
    org_id: str,
    *,
    limit: int,
    before: str = "",
    state: JobState | None = None,
    q: str = "",
) -> list[JobView]:
    """Return up to `limit` jobs that the query `q` asks for, newest first, older than the id `before`.

    Raises QueryWrong.
    """
    query = select(jobs.c.id).where(jobs.c.org_id == org_id).order_by(jobs.c.id.desc()).limit(limit)
    if q:
        query = query.where(search.jobs(q))
    if before:
        query = query.where(jobs.c.id < before)
    if state:
        query = query.where(jobs.c.state == state)
    return views(connection, list(connection.execute(query).scalars()))


def open_counts(connection: Connection, org_id: str) -> dict[JobState, int]:
    """Return how many jobs are in which state and not over."""
    mine = (jobs.c.org_id == org_id, jobs.c.finished_at.is_(None))
    found = connection.execute(select(jobs.c.state, func.count()).where(*mine).group_by(jobs.c.state))
    return {JobState(state): count for state, count in found}


def ids_like(connection: Connection, org_id: str, piece: str, limit: int = pieces.LIMIT) -> list[str]:
    """Return up to `limit` job ids that begin or end with `piece`, or whose last eight digits do, newest first."""
    return pieces.ids_like(connection, jobs, org_id, piece, limit)


def traceparent(connection: Connection, job_id: str) -> str:
    """Return the traceparent of a job's span, or an empty text."""
    return connection.execute(select(jobs.c.traceparent).where(jobs.c.id == job_id)).scalar_one_or_none() or ""


def repeats(connection: Connection, ids: Sequence[str], limit: int = 50) -> dict[str, str]:
    """Return up to `limit` ids of jobs that repeat one of these, with the traces of their last runs."""
    mine = jobs.c.origin_id.in_(ids)
    query = select(jobs.c.id, jobs.c.trace_id).where(mine).order_by(jobs.c.origin_id, jobs.c.id).limit(limit)
    return {row.id: row.trace_id for row in connection.execute(query)}


def spans(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return for each job that exists the trace and the traceparent of its last run."""
    query = select(jobs.c.id, jobs.c.trace_id, jobs.c.traceparent).where(jobs.c.id.in_(ids))
    return {row.id: (row.trace_id, row.traceparent) for row in connection.execute(query)}


def ids_of_trace(connection: Connection, org_id: str, trace_id: str, limit: int = 200) -> list[str]:
    """Return up to `limit` ids of the jobs of a trace, oldest first."""
    query = select(jobs.c.id).where(jobs.c.org_id == org_id, jobs.c.trace_id == trace_id)
    return list(connection.execute(query.order_by(jobs.c.id).limit(limit)).scalars())


def request(connection: Connection, job_id: str) -> tuple[dict[str, Any], Options]:
    """Return what was asked of a job: its target as plain data, and its options. Raises JobNotFound."""
    stored = connection.execute(select(jobs.c.request).where(jobs.c.id == job_id)).scalar_one_or_none()
    if stored is None:
        raise JobNotFound(f"There is no job {job_id}.")
    return stored["target"], Options.model_validate(stored["options"])


def names(connection: Connection, job_id: str) -> list[str]:
    """Return how messages may call the target of a job: its label, and the texts of its description."""
    row = connection.execute(select(jobs.c.target, jobs.c.request).where(jobs.c.id == job_id)).one_or_none()
    return names_of(row.target, row.request) if row else []


def names_of(target: str, asked: Mapping[str, Any]) -> list[str]:
    """Return the names of a target, given its label and the job's request."""
    return [target, *(value for key, value in asked["target"].items() if isinstance(value, str) and key != "kind")]


def _job_row(job_id: str, job: NewJob, at: datetime) -> dict[str, Any]:
    trace_id, parent = telemetry.job_trace(job_id, job.org_id, job.target.kind, linked_to=job.linked_to)
    return {
        "id": job_id,
        "org_id": job.org_id,
        "batch_id": job.batch_id,
        "kind": job.target.kind,
        "target": job.target.label,
        "target_key": job.target.key,
        "request": {"target": job.target.model_dump(mode="json"), "options": job.options.model_dump(mode="json")},
        "profile": job.options.profile,
        "priority": job.options.priority,
        "lane": job.lane,
        "tags": job.options.tags,
        "state": JobState.SCHEDULED if job.due_at else JobState.QUEUED,
        "trace_id": trace_id,
        "traceparent": parent,
        "origin_id": job.origin_id,
        "created_by": job.created_by,
        "counted_for": job.counted_for,
        "created_at": at,
        "due_at": job.due_at,
        "queued_at": job.due_at or at,
        "deadline_at": job.deadline_at,
    }


def _step_rows(job_id: str, job: NewJob, at: datetime) -> list[dict[str, Any]]:
    rows = []
    for stage in STAGES:
        for part in ("", *job.parts.get(stage, ())):
            ready_at = (job.due_at or at) if stage is STAGES[0] and not part else None
            rows.append(
                {
                    "org_id": job.org_id,
                    "job_id": job_id,
                    "stage": stage,
                    "part": part,
                    "state": StepState.PENDING,
                    "ready_at": ready_at,
                }
            )
    return rows


def _job_view(row: RowMapping, its_steps: list[StepView]) -> JobView:
    asked = {**row["request"]["options"], "target": row["request"]["target"]}
    asked["notify"] = [shown(url) for url in asked.get("notify", [])]
    order = {stage: place for place, stage in enumerate(STAGES)}
    its_steps.sort(key=lambda step: (order[step.stage], step.part))
    began_at = row["queued_at"] or row["created_at"]
    ran = [
        step.ran_s
        for step in its_steps
        if step.ran_s is not None and not step.part and step.started_at and step.started_at >= began_at
    ]
    total = seconds(began_at, row["finished_at"])
    return JobView(
        **{name: row[name] for name in _PLAIN},
        request=asked,
        profile=Profile(row["profile"]),
        priority=Priority(row["priority"]),
        state=JobState(row["state"]),
        failure=Failure.model_validate(row["failure"]) if row["failure"] else None,
        total_s=total,
        ran_s=round(sum(ran), 3) if ran else None,
        waited_s=round(max(total - sum(ran), 0.0), 3) if total is not None else None,
        steps=its_steps,
    )


def _step_view(row: RowMapping) -> StepView:
    return StepView(
        stage=StageName(row["stage"]),
        part=row["part"],
        state=StepState(row["state"]),
        attempt=row["attempt"],
        summary=row["summary"],
        progress=Progress.model_validate(row["progress"]) if row["progress"] else None,
        failure=Failure.model_validate(row["failure"]) if row["failure"] else None,
        worker=row["worker"],
        ready_at=row["ready_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        next_attempt_at=row["next_attempt_at"],
        waited_s=seconds(row["ready_at"], row["started_at"]),
        ran_s=seconds(row["started_at"], row["finished_at"]),
    )


_PLAIN = (
    *("id", "org_id", "batch_id", "origin_id", "run", "kind", "target", "lane", "tags", "trace_id"),
    *("score", "grade", "severities", "cancelled_by"),
    *("created_at", "due_at", "started_at", "finished_at", "deadline_at", "held_at", "created_by"),
)
