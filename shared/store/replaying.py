"""What replays read and write: dead letters with their jobs, and the changes that an edited replay makes to a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from shared.contracts.dead_letter import DeadLetterState
from shared.contracts.job import JobState, StageName, StepState
from shared.contracts.submission import Options
from shared.contracts.target import TargetModel
from shared.ids import now
from shared.store import ledger, triage
from shared.store.dead_letters import REPLAYED, REPLAYING, RESOLVED
from shared.store.engine import insert_missing
from shared.store.step import STAGES, Key
from shared.store.tables import dead_letters as letters
from shared.store.tables import jobs, steps


@dataclass(frozen=True)
class JobFacts:
    """The job of a dead letter. undone: its first stage that has not succeeded, if there is one."""

    id: str
    state: JobState
    run: int
    lane: str
    request: dict[str, Any]
    finished_at: datetime | None
    cancelled_at: datetime | None
    has_failed: bool
    undone: StageName | None


@dataclass(frozen=True)
class Candidate:
    """A dead letter that somebody wants to replay."""

    id: str
    job_id: str | None
    stage: StageName | None
    task: str
    state: DeadLetterState
    is_poison: bool
    run: int
    job: JobFacts | None
    part: str = ""


@dataclass(frozen=True)
class Edit:
    """What an edited replay makes of a job. `deadline_s` counts from now; None leaves the deadline."""

    target: TargetModel
    options: Options
    lane: str
    deadline_s: int | None = None


def candidates(connection: Connection, org_id: str, ids: Sequence[str]) -> dict[str, Candidate]:
    """Return those of the dead letters that exist, by their ids, with their jobs."""
    names = ("id", "job_id", "stage", "part", "task", "state", "is_poison", "run")
    query = select(*(letters.c[name] for name in names)).where(letters.c.id.in_(ids), letters.c.org_id == org_id)
    rows = connection.execute(query).mappings().all()
    known = _jobs(connection, org_id, {row["job_id"] for row in rows if row["job_id"]})
    return {
        row["id"]: Candidate(
            id=row["id"],
            job_id=row["job_id"],
            stage=StageName(row["stage"]) if row["stage"] else None,
            task=row["task"],
            state=DeadLetterState(row["state"]),
            is_poison=row["is_poison"],
            run=row["run"],
            job=known.get(row["job_id"] or ""),
            part=row["part"],
        )
        for row in rows
    }


def claim(connection: Connection, org_id: str, chosen: Sequence[Candidate], operation_id: str | None) -> set[str]:
    """Mark dead letters as being replayed, each unless its state has changed; return those that are ours."""
    values: dict[str, Any] = {"replays": letters.c.replays + 1}
    if operation_id:
        values["operation_id"] = operation_id
    mine: set[str] = set()
    for state in sorted({each.state for each in chosen}):
        these = [each.id for each in chosen if each.state is state]
        mine |= set(triage.move(connection, org_id, these, REPLAYING, of=(state,), **values))
    return mine


def release(connection: Connection, given_up: Sequence[Candidate]) -> None:
    """Put dead letters back as they were, in the transaction that claimed them."""
    for each in given_up:
        values = {"state": each.state, "replays": letters.c.replays - 1}
        connection.execute(update(letters).where(letters.c.id == each.id).values(**values))


def note_sent(connection: Connection, ids: Sequence[str]) -> None:
    """Note that the messages of replays are with the broker."""
    mine = and_(letters.c.id.in_(ids), letters.c.state == REPLAYING)
    connection.execute(update(letters).where(mine).values(state=REPLAYED))


def note_skipped(connection: Connection, ids: Sequence[str]) -> None:
    """Note that steps were taken as done, so that nothing is left to be seen to."""
    mine = and_(letters.c.id.in_(ids), letters.c.state == REPLAYING)
    connection.execute(update(letters).where(mine).values(state=RESOLVED, ended_at=now()))


def reroute(connection: Connection, job_id: str, lane: str) -> None:
    """Have the scan of a job wait in another lane."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(lane=lane))


def edit(connection: Connection, job_id: str, org_id: str, to: Edit) -> None:
    """Have a job do something else in the run that it was reopened for."""
    target, options = to.target, to.options
    values: dict[str, Any] = {
        "kind": target.kind,
        "target": target.label,
        "target_key": target.key,
        "request": {"target": target.model_dump(mode="json"), "options": options.model_dump(mode="json")},
        "profile": options.profile,
        "priority": options.priority,
        "lane": to.lane,
        "tags": options.tags,
    }
    if to.deadline_s is not None:
        values["deadline_at"] = now() + timedelta(seconds=to.deadline_s)
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
    _set_parts(connection, Key(job_id, org_id, StageName.REPORT), options.reports)


def _set_parts(connection: Connection, key: Key, names: Sequence[str]) -> None:
    stale = and_(
        steps.c.job_id == key.job_id, steps.c.stage == key.stage, steps.c.part != "", steps.c.part.not_in(names)
    )
    connection.execute(delete(steps).where(stale, steps.c.state == StepState.PENDING))
    mine = {"org_id": key.org_id, "job_id": key.job_id, "stage": key.stage, "state": StepState.PENDING}
    rows = [{**mine, "part": name} for name in names]
    insert_missing(connection, steps, rows)


def _jobs(connection: Connection, org_id: str, ids: set[str]) -> dict[str, JobFacts]:
    if not ids:
        return {}
    names = ("id", "state", "run", "lane", "request", "finished_at", "cancelled_at", "failure")
    query = select(*(jobs.c[name] for name in names)).where(jobs.c.id.in_(ids), jobs.c.org_id == org_id)
    rows = connection.execute(query).mappings().all()
    states = select(steps.c.job_id, steps.c.stage).where(
        steps.c.job_id.in_(ids), steps.c.part == "", steps.c.state.not_in([state.value for state in ledger.DONE])
    )
    undone: dict[str, list[StageName]] = {}
    for job_id, stage in connection.execute(states):
        undone.setdefault(job_id, []).append(StageName(stage))
    return {
        row["id"]: JobFacts(
            id=row["id"],
            state=JobState(row["state"]),
            run=row["run"],
            lane=row["lane"],
            request=row["request"],
            finished_at=row["finished_at"],
            cancelled_at=row["cancelled_at"],
            has_failed=row["failure"] is not None,
            undone=min(undone.get(row["id"], []), key=STAGES.index, default=None),
        )
        for row in rows
    }
