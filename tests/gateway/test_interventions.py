from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from control.operations import Engine
from control.works import WORKS
from shared.contracts.job import StageName
from shared.errors import Permanent
from shared.layers.ledger import StageFailed
from shared.store import jobs
from shared.store.engine import reading
from shared.testing import RedisServer
from tests.gateway.driving import both_databases, finish, run_stage

JOBS = "/api/v1/jobs"


class Broken(Permanent):
    """What a test's stage fails with."""


def fail(job_id: str, stage: StageName = StageName.SCAN) -> None:
    """Have a stage of a job fail for good, and somebody be told."""

    def work(_: object) -> None:
        raise Broken("It broke.")

    with pytest.raises(StageFailed):
        run_stage(job_id, stage, work)
    run_stage(job_id, StageName.NOTIFY)


@both_databases
def test_a_queued_job_is_cancelled_at_once_and_twice_is_once(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    for _ in range(2):
        answer = client.post(f"{JOBS}/{job_id[-8:]}:cancel")
        assert (answer.status_code, answer.json()["state"], answer.json()["cancelled_by"]) == (
            200,
            "cancelled",
            "token",
        )
    assert [line["subject"] for line in client.get("/api/v1/audit?action=job.cancel").json()["items"]] == [
        f"job:{job_id}"
    ]


@both_databases
def test_a_running_job_is_told_to_stop(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    seen: list[Any] = []
    run_stage(job_id, StageName.SCAN, lambda _: seen.append(client.post(f"{JOBS}/{job_id}:cancel")))
    assert (seen[0].status_code, seen[0].json()["state"]) == (202, "cancelling")


@both_databases
def test_a_failed_job_is_retried_and_resumed_from_a_stage(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    fail(job_id)
    retried = client.post(f"{JOBS}/{job_id}:retry")
    assert (retried.status_code, retried.json()["state"], retried.json()["run"]) == (202, "queued", 2)
    finish(job_id)
    resumed = client.post(f"{JOBS}/{job_id}:resume", json={"stage": "report"})
    assert (resumed.status_code, resumed.json()["run"]) == (202, 3)
    states = {step["stage"]: step["state"] for step in resumed.json()["steps"] if not step["part"]}
    assert states == {"scan": "succeeded", "process": "succeeded", "report": "pending", "notify": "pending"}


@both_databases
def test_a_job_is_run_again_as_another(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    finish(job_id)
    again = client.post(f"{JOBS}/{job_id}:rerun")
    assert (again.status_code, again.json()["origin_id"], again.json()["state"]) == (202, job_id, "queued")
    assert again.headers["location"] == f"{JOBS}/{again.json()['id']}"
    assert again.json()["request"] == client.get(f"{JOBS}/{job_id}").json()["request"]


def test_what_the_state_forbids_is_409(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job(reports=[])
    for verb, body in (("retry", None), ("resume", {"stage": "scan"})):
        answer = client.post(f"{JOBS}/{job_id}:{verb}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "job-not-over")
    finish(job_id)
    assert client.post(f"{JOBS}/{job_id}:cancel").json()["code"] == "job-over"
    assert client.post(f"{JOBS}/{job_id}:retry").json()["code"] == "nothing-failed"
    assert client.post(f"{JOBS}/{job_id}:resume", json={"stage": "odd"}).status_code == 422


def test_jobs_of_others_are_not_there(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job(org_id="another")
    for verb in ("cancel", "retry", "rerun"):
        assert client.post(f"{JOBS}/{job_id}:{verb}").status_code == 404


def test_without_the_broker_it_is_noted_and_done_later(
    client: TestClient, make_job: Callable[..., str], mortal_redis: RedisServer
) -> None:
    job_id = make_job()
    fail(job_id)
    mortal_redis.stop()
    assert client.post(f"{JOBS}/{job_id}:retry").status_code == 202
    explained = client.get(f"{JOBS}/{job_id}/explain").json()
    assert explained["waiting"]["reason"] == "broker_down"
    assert client.post(f"{JOBS}/{job_id}:cancel").json()["state"] == "cancelled"


@both_databases
def test_many_are_cancelled_by_a_query(client: TestClient, make_job: Callable[..., str]) -> None:
    wanted = [make_job(f"10.0.0.{number}") for number in range(5)]
    other = make_job("10.1.0.1")
    asked = {"q": "target:10.0.0.0/24 state:queued"}
    forecast = client.post(f"{JOBS}:cancel", json={**asked, "dry_run": True})
    assert (forecast.status_code, forecast.json()["total"]) == (200, 5)
    refused = client.post(f"{JOBS}:cancel", json={**asked, "expect": 4})
    assert (refused.status_code, refused.json()["code"], refused.json()["count"]) == (409, "count-differs", 5)
    operation = client.post(f"{JOBS}:cancel", json={**asked, "expect": 5})
    assert (operation.status_code, operation.json()["total"]) == (202, 5)
    engine = Engine(WORKS)
    while engine.turn():
        pass
    after = client.get(operation.headers["location"]).json()
    assert (after["state"], after["done"], after["skipped"]) == ("done", 5, 0)
    with reading() as connection:
        assert {view.state for view in jobs.views(connection, wanted)} == {"cancelled"}
        assert jobs.view(connection, other).state == "queued"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"q": "state:queued", "batch_id": "x"}, ""),
        ({"ids": ["ffffffff"]}, "/ids/0"),
        ({"q": "colour:red"}, "/q"),
        ({"q": "", "expect": -1}, "/expect"),
        ({"q": "", "colour": "red"}, "/colour"),
    ],
)
def test_what_is_wrong_with_a_bulk_cancel_is_named(client: TestClient, body: dict[str, Any], pointer: str) -> None:
    answer = client.post(f"{JOBS}:cancel", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
