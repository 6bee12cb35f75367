"""Jobs for tests of the store, written as the gateway writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.contracts.job import StageName
from shared.contracts.kinds.host import Target
from shared.contracts.submission import Options
from shared.ids import now
from shared.store import jobs
from shared.store.engine import writing
from shared.store.jobs import NewJob
from shared.store.ledger import Key, Taken, finish, take

ORG = "org"


def new_job(host: str = "127.0.0.1", org_id: str = ORG, **fields: Any) -> NewJob:
    options = fields.pop("options", Options())
    made = {"lane": "scan", "deadline_at": now() + timedelta(hours=1), **fields}
    return NewJob(org_id=org_id, target=Target(host=host), options=options, **made)


def make(*new: NewJob) -> list[str]:
    with writing() as connection:
        return jobs.create(connection, new or [new_job()])


def take_step(
    job_id: str, stage: StageName = StageName.SCAN, part: str = "", worker: str = "w@h", run: int = 1
) -> Taken:
    with writing() as connection:
        return take(connection, Key(job_id, ORG, stage, part, run), worker=worker)


def finish_step(taken: Taken, summary: str = "done") -> None:
    with writing() as connection:
        finish(connection, taken, summary=summary)


def run_through(job_id: str, *stages: StageName, run: int = 1) -> None:
    for stage in stages or tuple(StageName):
        finish_step(take_step(job_id, stage, run=run))
