"""The wiring of a stage: what Celery would drop goes back to the queue, and a failed job is told of once it can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.app.trace import build_tracer
from celery.exceptions import Reject, Retry

from services.process.tasks import run
from shared import telemetry, testing
from shared.admission import lane
from shared.contracts.job import Failure, Priority, Profile, StageName
from shared.contracts.lanes import LANES, PRIORITIES
from shared.contracts.submission import Options
from shared.dlq import StageFailed
from shared.errors import FailureClass
from shared.ids import now
from shared.pipeline import build, submit
from shared.queue import app
from shared.settings import settings
from shared.store import engine, ledger, outbox
from shared.store.engine import reading, writing
from tests import broker
from tests.shared.store.making import make, new_job, run_through, take_step

SCAN, PROCESS, REPORT, NOTIFY = StageName
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def server(tmp_path: Path, new_database: Any, fresh_settings: pytest.MonkeyPatch) -> Iterator[testing.RedisServer]:
    """A broker of its own, to be stopped and started, and an empty store."""
    with testing.redis_server() as made:
        fresh_settings.setenv("VEDETTE_DATABASE_URL", new_database("sqlite", tmp_path))
        fresh_settings.setenv("VEDETTE_REDIS_URL", made.url)
        settings.cache_clear()
        with broker.pointed():
            yield made


def job_at_process(options: Options | None = None) -> tuple[str, dict[str, Any]]:
    """A scanned job, and its message."""
    [job_id] = make(new_job(options=options or Options()))
    run_through(job_id, SCAN)
    with reading() as connection:
        envelope, _ = outbox.envelope(connection, job_id)
    return job_id, envelope.model_dump(mode="json")


def deliver(message: dict[str, Any]) -> Any:
    """Run the stage `process` as a pool child does, with `report` after it in the chain."""
    following = app.signature("report.run", queue="report", priority=PRIORITIES[Priority.NORMAL])
    request = {"chain": [following], "hostname": "process@test", "retries": 0, "delivery_info": {}}
    return build_tracer(run.name, run, app=app)("task-id", [message], {}, request)


def outcome(message: dict[str, Any]) -> object:
    """What the pool child tells its parent to do with the message."""
    return deliver(message).info.retval


def requeued(verdict: object) -> bool:
    return isinstance(verdict, Reject) and bool(verdict.args[1])


def messages(server: testing.RedisServer, queue: str) -> list[dict[str, Any]]:
    with redis.Redis.from_url(f"{server.url}?db={settings().redis_broker_db}") as client:
        names = [queue, *(f"{queue}\x06\x16{step}" for step in PRIORITIES.values())]
        found: list[bytes] = [raw for name in names for raw in client.lrange(name, 0, -1)]
    return [json.loads(raw) for raw in found]


def fail(job_id: str) -> None:
    taken = take_step(job_id, PROCESS)
    with writing() as connection:
        ledger.fail(connection, taken, Failure(code="x", failure_class="permanent", message="No."))


def test_a_stage_that_is_over_hands_the_job_on(server: testing.RedisServer) -> None:
    job_id, message = job_at_process()
    run_through(job_id, PROCESS)
    deliver(message)
    assert len(messages(server, "report")) == 1


def test_a_chain_that_cannot_go_on_is_not_lost(server: testing.RedisServer) -> None:
    job_id, message = job_at_process()
    run_through(job_id, PROCESS)
    server.stop(9)
    with pytest.raises(Reject) as rejected:
        deliver(message)
    assert requeued(rejected.value)


def test_a_retry_that_cannot_be_sent_is_not_lost(
    server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch
) -> None:
    _, message = job_at_process()
    fresh_settings.setenv("VEDETTE_DATABASE_URL", "sqlite:////nowhere/v.db")
    settings.cache_clear()
    engine.forget()
    assert isinstance(outcome(message), Retry)
    server.stop(9)
    rejected = outcome(message)
    assert requeued(rejected)


def test_a_failed_step_that_comes_back_is_told_of(server: testing.RedisServer) -> None:
    job_id, message = job_at_process(Options(priority=Priority.LOW))
    fail(job_id)
    failed = outcome(message)
    assert isinstance(failed, StageFailed)
    assert (failed.failure_class, failed.error.message) == (FailureClass.PERMANENT, "No.")
    [told] = messages(server, "notify")
    assert told["properties"]["priority"] == PRIORITIES[Priority.LOW]
    assert messages(server, "report") == []


def test_a_failure_that_cannot_be_told_comes_back(server: testing.RedisServer) -> None:
    _, message = job_at_process()
    server.stop(9)
    rejected = outcome({**message, "job_id": "none"})
    assert requeued(rejected)


def test_a_submitted_job_carries_its_trace_and_its_chain(server: testing.RedisServer) -> None:
    with telemetry.span("request", traceparent=TRACEPARENT):
        [job_id] = make(new_job(lane="scan.heavy", options=Options(priority=Priority.HIGH)))
    submit([job_id])
    [message] = messages(server, "scan.heavy")
    assert message["headers"]["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    assert message["properties"]["priority"] == PRIORITIES[Priority.HIGH]
    with reading() as connection:
        envelope, _ = outbox.envelope(connection, job_id)
        assert outbox.unpublished(connection, now()) == []
    assert [task.task for task in build(envelope).tasks] == ["scan.run", "process.run", "report.run", "notify.run"]


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("profile", Profile)
def test_every_job_has_a_lane_of_the_scan_service(priority: Priority, profile: Profile) -> None:
    assert lane(Options(priority=priority, profile=profile)) in LANES[SCAN]


def test_a_heavy_job_never_stands_before_a_quick_one() -> None:
    heavy = lane(Options(profile=Profile.COMPREHENSIVE))
    assert heavy not in {lane(Options()), lane(Options(profile=Profile.QUICK)), lane(Options(priority=Priority.URGENT))}


def test_priorities_keep_their_order() -> None:
    assert [PRIORITIES[priority] for priority in Priority] == sorted(PRIORITIES.values())
