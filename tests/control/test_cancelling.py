"""A job whose cancellation nobody can notice any more ends as cancelled; one that a worker is at is left to it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from control import cancelling
from control.cancelling import Abandoned
from shared.broker import flags, presence
from shared.broker.client import client
from shared.broker.presence import WorkerRecord
from shared.contracts.events import EventType
from shared.contracts.job import JobState
from shared.contracts.queues import ActiveTask
from shared.ids import now
from shared.store import jobs, timeline
from shared.store.cancellation import cancel
from shared.store.engine import reading, writing
from shared.store.tables import jobs as all_jobs
from tests.shared.store.making import ORG, make, take_step

pytestmark = pytest.mark.usefixtures("server")


def cancelled_while_running(ago_s: float = cancelling.AFTER_S) -> str:
    [job_id] = make()
    take_step(job_id, worker="w@h")
    with writing() as connection:
        cancel(connection, [job_id], ORG, "anna")
        at = now() - timedelta(seconds=ago_s)
        connection.execute(update(all_jobs).where(all_jobs.c.id == job_id).values(cancelled_at=at))
    return job_id


def state(job_id: str) -> JobState:
    with reading() as connection:
        return jobs.view(connection, job_id).state


def test_a_job_that_nobody_is_at_is_ended_in_the_second_round() -> None:
    job_id = cancelled_while_running()
    look = Abandoned()
    assert (look(), state(job_id)) == (0, JobState.CANCELLING)
    assert (look(), state(job_id)) == (1, JobState.CANCELLED)
    assert look() == 0
    with reading() as connection:
        told = [event.type for event in timeline.of_job(connection, job_id)]
    assert told[-3:] == [EventType.JOB_REPAIRED, EventType.STAGE_CANCELLED, EventType.JOB_FINISHED]


def test_its_worker_is_given_time() -> None:
    cancelled_while_running(ago_s=0)
    look = Abandoned()
    assert [look(), look()] == [0, 0]


def test_a_job_that_a_worker_is_at_is_left_to_it_and_flagged_again() -> None:
    job_id = cancelled_while_running()
    active = [ActiveTask(task_id=f"{job_id}.scan", since=now())]
    record = WorkerRecord(
        hostname="w@h", service="scan", pid=1, queues=["scan"], concurrency=1, active=active, started_at=now()
    )
    presence.write(client(), record)
    look = Abandoned()
    assert [look(), look()] == [0, 0]
    assert flags.flagged(client(), [job_id]) == {job_id}
    presence.remove(client(), "w@h")
    assert [look(), look()] == [0, 1]
