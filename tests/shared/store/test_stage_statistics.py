"""Figures of the stages of jobs that ended, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from shared.contracts.job import JobState, StageName, StepState
from shared.contracts.statistics import StageFigures, Took
from shared.ids import now
from shared.store import stage_statistics
from shared.store.engine import reading, writing
from shared.store.tables import jobs, steps
from tests.shared.store.making import ORG, make, new_job

pytestmark = pytest.mark.usefixtures("database")

HOURS = timedelta(hours=1)


def end(*, ago: timedelta = timedelta(0), org_id: str = ORG) -> str:
    """Return the id of a job that ended so long ago, without a stage that ran."""
    [job_id] = make(new_job(org_id=org_id))
    with writing() as connection:
        change = update(jobs).where(jobs.c.id == job_id)
        connection.execute(change.values(state=JobState.SUCCEEDED, finished_at=now() - ago))
    return job_id


def run(job_id: str, waited_s: float, ran_s: float, stage: StageName = StageName.SCAN, **fields: Any) -> None:
    """Write a stage of this job that waited and ran so long."""
    at = now()
    times = {"ready_at": at, "started_at": at + timedelta(seconds=waited_s)}
    times["finished_at"] = times["started_at"] + timedelta(seconds=ran_s)
    with writing() as connection:
        mine = (steps.c.job_id == job_id, steps.c.stage == stage, steps.c.part == "")
        connection.execute(update(steps).where(*mine).values(**{"state": StepState.SUCCEEDED, **times, **fields}))


def stages(org_id: str = ORG) -> list[StageFigures]:
    with reading(org_id) as connection:
        return stage_statistics.stages(connection, org_id, now() - HOURS)


def test_of_no_runs_there_are_no_figures() -> None:
    end()
    assert stages() == []


def test_a_stage_has_what_it_ran_and_waited() -> None:
    for number in range(1, 21):
        run(end(), waited_s=21 - number, ran_s=number)
    (scan,) = stages()
    assert (scan.stage, scan.runs, scan.failed, scan.retries, scan.lost) == (StageName.SCAN, 20, 0, 0, 0)
    assert scan.ran == scan.waited == Took(average_s=10.5, p50_s=10.0, p95_s=19.0)


def test_stages_are_in_their_order_and_apart() -> None:
    job_id = end()
    for stage, ran_s in ((StageName.REPORT, 3.0), (StageName.SCAN, 1.0), (StageName.PROCESS, 2.0)):
        run(job_id, 0.5, ran_s, stage)
    found = [(figures.stage, figures.ran.p50_s, figures.waited.p95_s) for figures in stages()]
    assert found == [(StageName.SCAN, 1.0, 0.5), (StageName.PROCESS, 2.0, 0.5), (StageName.REPORT, 3.0, 0.5)]


def test_failures_retries_and_lost_attempts_are_counted() -> None:
    run(end(), 0, 1, retries=2)
    run(end(), 0, 1, retries=1, lost=1)
    run(end(), 0, 1, state=StepState.FAILED, retries=3)
    (scan,) = stages()
    assert (scan.runs, scan.failed, scan.retries, scan.lost) == (3, 1, 6, 1)


def test_what_was_cancelled_or_never_began_is_no_run() -> None:
    run(end(), 0, 1, state=StepState.CANCELLED)
    run(end(), 0, 1, state=StepState.FAILED, started_at=None)
    run(end(), 0, 1, state=StepState.SKIPPED)
    assert stages() == []


def test_only_jobs_of_the_organisation_that_ended_since_then_count() -> None:
    run(end(ago=2 * HOURS), 0, 50)
    run(end(org_id="other"), 0, 70)
    run(make(new_job())[0], 0, 90)
    run(end(), 0, 4)
    assert [figures.ran.p50_s for figures in stages()] == [4.0]
