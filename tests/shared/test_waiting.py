"""Each reason why a job waits, from real rows and a real Redis; one look serves a whole page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from shared import testing
from shared.broker import client as broker_client
from shared.broker import keys, pause, presence
from shared.broker.client import client
from shared.broker.presence import WorkerRecord
from shared.broker.view import look
from shared.contracts.job import Failure, JobState, JobView, Progress, StageName, StepState, Waiting, WaitingReason
from shared.contracts.queues import ActiveTask
from shared.contracts.waiting import Explanation
from shared.errors import FailureClass
from shared.explanation import explain
from shared.ids import now
from shared.pipeline import submit
from shared.settings import settings
from shared.store import jobs as store
from shared.store import ledger, repairs
from shared.store.engine import reading, writing
from shared.store.tables import jobs, steps
from shared.waiting import waiting
from tests import broker
from tests.shared.store.making import finish_step, make, new_job, run_through, take_step

SCAN, PROCESS, REPORT, NOTIFY = StageName
LONG_AGO = timedelta(minutes=6, seconds=12)


@pytest.fixture(scope="module")
def server() -> Iterator[testing.RedisServer]:
    with testing.redis_server() as made:
        yield made


@pytest.fixture(autouse=True)
def _pointed(server: testing.RedisServer, database: str, fresh_settings: pytest.MonkeyPatch) -> Iterator[None]:
    fresh_settings.setenv("VEDETTE_REDIS_URL", server.url)
    settings.cache_clear()
    broker_client.forget()
    client().flushall()
    with broker.pointed():
        yield


def queued(*made: store.NewJob) -> list[str]:
    """Jobs that were submitted a while ago."""
    ids = make(*made)
    submit(ids)
    backdate(*ids)
    return ids


def backdate(*ids: str, **columns: object) -> None:
    with writing() as connection:
        values = columns or {"ready_at": now() - LONG_AGO}
        mine = steps.c.job_id.in_(ids) & steps.c.ready_at.is_not(None)
        connection.execute(update(steps).where(mine).values(**values))


def worker(*active: str, queues: tuple[str, ...] = ("scan",), slots: int = 1, silent_s: float = 0.0) -> None:
    tasks = [ActiveTask(task_id=task_id, since=now()) for task_id in active]
    record = WorkerRecord(
        hostname="w@h", service="scan", pid=1, queues=list(queues), concurrency=slots, active=tasks, started_at=now()
    )
    presence.write(client(), record)
    if silent_s:
        old = record.model_copy(update={"at": time.time() - silent_s})
        client().hset(keys.WORKERS, record.hostname, old.model_dump_json())


def view(job_id: str) -> JobView:
    with reading() as connection:
        return store.view(connection, job_id)


def listed(job_id: str) -> WaitingReason | None:
    found = waiting(look(), view(job_id))
    return found.reason if found else None


def explained(job_id: str) -> Explanation:
    with reading() as connection:
        return explain(connection, look(), view(job_id))


def held_up(job_id: str) -> Waiting:
    found = explained(job_id).waiting
    assert found is not None
    return found


def test_no_worker_consumes_its_queue() -> None:
    [job_id] = queued(new_job(lane="scan.heavy"))
    worker()
    assert listed(job_id) is WaitingReason.NO_CONSUMER
    said = explained(job_id)
    assert said.summary == "queued for 6 m 12 s in scan.heavy, because no worker consumes scan.heavy"
    assert said.fix == "celery -A services.scan worker --queues scan.heavy"


def test_when_the_last_worker_left_is_said() -> None:
    [job_id] = queued(new_job())
    worker()
    presence.remove(client(), "w@h")
    assert "no worker consumes scan (the last one left at " in explained(job_id).summary


def test_a_worker_that_was_lost_has_left_too() -> None:
    [job_id] = queued(new_job())
    worker(silent_s=60)
    assert "no worker consumes scan (the last one left at " in explained(job_id).summary


def test_its_queue_is_paused() -> None:
    [job_id] = queued(new_job())
    worker()
    pause.pause(client(), "scan", "anna", "firewall work")
    assert listed(job_id) is WaitingReason.QUEUE_PAUSED
    found = held_up(job_id)
    assert (found.by, found.fix) == ("anna", "vedette queues resume scan")
    assert "paused by anna at" in found.why
    assert found.why.endswith(": firewall work")


def test_the_broker_is_away(server: testing.RedisServer) -> None:
    [job_id] = queued(new_job())
    server.stop()
    try:
        assert listed(job_id) is WaitingReason.BROKER_DOWN
        assert explained(job_id).fix == "vedette doctor"
    finally:
        server.start()


def test_its_next_attempt_is_not_due() -> None:
    [job_id] = queued(new_job())
    worker()
    taken = take_step(job_id)
    failure = Failure(code="x", failure_class=FailureClass.EXTERNAL, message="The API said 503.")
    next_at = now() + timedelta(seconds=40)
    with writing() as connection:
        ledger.retry(connection, taken, failure, next_at)
    assert listed(job_id) is WaitingReason.RETRY_BACKOFF
    found = held_up(job_id)
    assert (found.attempt, found.next_at) == (1, next_at)
    assert found.why.startswith("attempt 1 failed (The API said 503); the next is at ")
    assert explained(job_id).summary.startswith("retrying in scan, because attempt 1 failed")


def test_it_is_scheduled_for_later() -> None:
    [job_id] = make()
    due_at = now() + timedelta(hours=2)
    with writing() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(state=JobState.SCHEDULED))
    scheduled = view(job_id).model_copy(update={"due_at": due_at})
    found = waiting(look(), scheduled)
    assert found is not None
    assert (found.reason, found.next_at) == (WaitingReason.NOT_DUE, due_at)
    with reading() as connection:
        said = explain(connection, look(), scheduled).summary
    assert said.startswith("scheduled, because it is not due before ")


def test_others_are_before_it_and_its_start_is_estimated() -> None:
    for job_id in make(new_job(), new_job()):
        run_through(job_id)
        backdate(job_id, started_at=now() - timedelta(seconds=30), finished_at=now() - timedelta(seconds=10))
    ids = queued(*(new_job() for _ in range(3)))
    worker("other.scan", "another.scan", slots=2)
    assert [listed(job_id) for job_id in ids] == [WaitingReason.BEHIND_N] * 3
    found = held_up(ids[2])
    assert (found.reason, found.ahead) == (WaitingReason.BEHIND_N, 2)
    assert found.next_at is not None
    assert 10 < (found.next_at - now()).total_seconds() <= 20
    assert "behind 2 messages in scan, and all 2 places of 1 worker are taken; it begins in about" in found.why
    assert held_up(ids[0]).reason is WaitingReason.WORKERS_BUSY


def test_it_is_next_and_all_workers_are_busy() -> None:
    [job_id] = queued(new_job())
    worker("other.scan")
    assert listed(job_id) is WaitingReason.WORKERS_BUSY
    assert "it is next, and the one place of 1 worker is taken" in held_up(job_id).why


def test_a_worker_that_is_free_takes_it_at_once() -> None:
    [job_id] = queued(new_job())
    worker()
    assert listed(job_id) is WaitingReason.STARTING
    assert held_up(job_id).reason is WaitingReason.STARTING


def test_its_message_is_nowhere() -> None:
    [job_id] = queued(new_job())
    worker()
    client().delete(keys.waiting("scan", 6))
    assert held_up(job_id).reason is WaitingReason.MESSAGE_LOST
    backdate(job_id, ready_at=now())
    assert held_up(job_id).reason is WaitingReason.STARTING  # just sent


def test_its_worker_is_lost() -> None:
    [job_id] = queued(new_job())
    taken_by("w@h", job_id)
    worker(f"{job_id}.scan", silent_s=16)
    worker_of("v@h")
    assert listed(job_id) is WaitingReason.WORKER_LOST
    client().hset(keys.UNACKED, "t", f'[{{"headers": {{"id": "{job_id}.scan"}}}}, "", "scan"]')
    said = explained(job_id)
    assert "interrupted for" in said.summary
    assert "w@h was lost; its delivery comes back" in said.summary


def taken_by(hostname: str, job_id: str) -> None:
    client().delete(keys.waiting("scan", 6))
    take_step(job_id, worker=hostname)


def worker_of(hostname: str) -> None:
    record = WorkerRecord(hostname=hostname, service="scan", pid=2, queues=["scan"], concurrency=1, started_at=now())
    presence.write(client(), record)


def test_a_running_job_says_what_works_on_it_and_how_far_it_is() -> None:
    [job_id] = queued(new_job())
    client().delete(keys.waiting("scan", 6))
    taken = take_step(job_id, worker="w@h")
    with writing() as connection:
        ledger.progress(connection, taken, Progress(done=512, total=1000, unit="ports"))
    worker(f"{job_id}.scan")
    assert listed(job_id) is None
    said = explained(job_id)
    assert said.waiting is None
    assert said.running.startswith("scan on w@h, since ")
    assert said.running.endswith(", 512 of 1000 ports")


def test_the_stage_that_has_its_turn_is_meant() -> None:
    [job_id] = queued(new_job())
    finish_step(take_step(job_id))
    backdate(job_id)
    worker()
    found = held_up(job_id)
    assert (found.reason, found.stage, found.queue) == (WaitingReason.NO_CONSUMER, PROCESS, "process")


def test_a_stage_whose_turn_has_not_come_waits_for_the_one_before_it() -> None:
    [job_id] = queued(new_job())
    backdate(job_id, ready_at=None)
    assert listed(job_id) is WaitingReason.UPSTREAM_STAGE


def test_jobs_that_are_over_wait_for_nothing() -> None:
    [job_id] = make()
    run_through(job_id)
    assert listed(job_id) is None
    assert explained(job_id).summary.startswith("nothing: it succeeded at ")


@pytest.mark.parametrize(
    ("state", "begins"),
    [
        (JobState.PARTIAL, "nothing: it ended as partial at "),
        (JobState.CANCELLED, "nothing: it was cancelled at "),
        (JobState.DEAD, "nothing: it is dead, at "),
        (JobState.FAILED, "nothing: it failed at "),
    ],
)
def test_how_a_job_ended_is_a_sentence(state: JobState, begins: str) -> None:
    [job_id] = make()
    run_through(job_id)
    with writing() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(state=state))
    found = explained(job_id)
    assert found.summary.startswith(begins)
    assert found.fix


def test_a_job_that_is_being_cancelled_says_by_whom() -> None:
    [job_id] = queued(new_job())
    with writing() as connection:
        values = {"state": JobState.CANCELLING, "cancelled_by": "anna"}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
    assert listed(job_id) is None
    said = explained(job_id).summary
    assert "anna" in said or "cancelled" in said


def test_repairs_are_among_the_facts() -> None:
    [job_id] = queued(new_job())
    with writing() as connection:
        [turn] = repairs.turns(connection, now())
        repairs.note_resent(connection, [turn], "it was gone")
    assert any("message sent again, as it was gone" in fact for fact in explained(job_id).facts)


def test_one_look_serves_a_page_of_two_hundred() -> None:
    ids = queued(*(new_job() for _ in range(200)))
    worker("other.scan")
    with reading() as connection:
        page = store.page(connection, "org", limit=200)
    started = time.perf_counter()
    seen = look()
    reasons = {found.reason for job in page if (found := waiting(seen, job))}
    assert reasons == {WaitingReason.BEHIND_N}
    assert time.perf_counter() - started < 0.5  # a few milliseconds, on a quiet machine
    assert len(ids) == len(page)


def test_every_state_of_a_step_has_an_explanation() -> None:
    [job_id] = queued(new_job())
    for state in (StepState.PENDING, StepState.RUNNING, StepState.RETRYING):
        backdate(job_id, state=state)
        assert explained(job_id).summary


def test_a_lane_of_another_version_has_an_explanation() -> None:
    [job_id] = make(new_job(lane="scan.tomorrow"))
    assert listed(job_id) is WaitingReason.NO_CONSUMER
    assert explained(job_id).summary


def test_a_job_without_an_open_stage_has_an_explanation() -> None:
    [job_id] = queued(new_job())
    with writing() as connection:
        connection.execute(update(steps).where(steps.c.job_id == job_id).values(state=StepState.SKIPPED))
    assert listed(job_id)
    assert explained(job_id).summary
