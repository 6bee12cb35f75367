"""`Prefer: wait`: what was begun is answered when it is over, on a store where somebody works meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from control.operations import Engine
from control.works import WORKS
from shared.contracts.job import StageName
from shared.store import jobs
from shared.store.engine import reading
from shared.store.tables import jobs as table
from shared.testing import wait_for
from tests.gateway.driving import both_databases, finish, run_stage

WAIT = {"Prefer": "wait=30"}
FAR = 25.0  # seconds: who is answered before was not answered because the wait ran out
ONE = {"target": {"kind": "host", "host": "10.0.0.1"}, "reports": []}
TWO = {"targets": [{"kind": "host", "host": "10.0.0.1"}, {"kind": "host", "host": "10.0.0.2"}], "reports": []}


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Have `work` done beside the block, and the block end within FAR."""
    thread = threading.Thread(target=work)
    started = time.monotonic()
    thread.start()
    yield
    took_s = time.monotonic() - started
    thread.join()
    assert took_s < FAR


def open_jobs() -> list[str]:
    with reading() as connection:
        ids = connection.execute(select(table.c.id)).scalars().all()
        return [each.id for each in jobs.views(connection, ids) if not each.state.is_terminal]


def finish_all(count: int) -> None:
    wait_for(lambda: len(open_jobs()) == count, "the jobs are written")
    for job_id in open_jobs():
        finish(job_id)


def work_off() -> None:
    """Do what control does with an operation, until there is none to do."""
    engine = Engine(WORKS)
    wait_for(engine.turn, "an operation is begun")
    while engine.turn():
        pass


@both_databases
@pytest.mark.parametrize(("path", "body", "count"), [("jobs", ONE, 1), ("jobs", TWO, 2), ("batches", TWO, 2)])
def test_a_submission_is_answered_when_all_its_jobs_are_over(
    client: TestClient, path: str, body: dict[str, object], count: int
) -> None:
    with meanwhile(lambda: finish_all(count)):
        answer = client.post(f"/api/v1/{path}", json=body, headers=WAIT)
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert client.get(answer.headers["location"]).status_code == 200
    states = [job["state"] for job in answer.json()["jobs"]] if path == "jobs" else answer.json()["states"]
    assert states == (["succeeded"] * count if path == "jobs" else {"succeeded": 2})


def test_what_is_not_over_in_time_is_202_as_it_is_then(client: TestClient) -> None:
    for path, body in (("jobs", ONE), ("jobs", TWO), ("batches", TWO)):
        started = time.monotonic()
        answer = client.post(f"/api/v1/{path}", json=body, headers={"Prefer": "respond-async, wait=1"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=1")
        assert time.monotonic() - started >= 1


def test_nobody_waits_who_did_not_ask_for_it(client: TestClient) -> None:
    for headers in ({}, {"Prefer": "respond-async"}, {"Prefer": "wait=0"}, {"Prefer": "await=9"}, {"Prefer": "wait=x"}):
        answer = client.post("/api/v1/jobs", json=ONE, headers=headers)
        assert answer.status_code == 202
        assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("prefer", ['WAIT="30"', "respond-async; wait=30", "return=minimal,wait = 30", "wait=30"])
def test_a_wait_is_read_as_rfc_7240_writes_it(client: TestClient, make_job: Callable[..., str], prefer: str) -> None:
    job_id = make_job()
    finish(job_id)
    answer = client.get(f"/api/v1/jobs/{job_id}", headers={"Prefer": prefer})
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("succeeded", "wait=30")


def test_a_wait_is_never_longer_than_a_minute(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    finish(job_id)
    answer = client.get(f"/api/v1/jobs/{job_id}", headers={"Prefer": "wait=86400"})
    assert answer.headers["preference-applied"] == "wait=60"


@pytest.mark.parametrize("verb", ["resume", "rerun"])
def test_a_job_that_is_sent_again_is_answered_when_it_is_over(
    client: TestClient, make_job: Callable[..., str], verb: str
) -> None:
    job_id = make_job()
    finish(job_id)
    body = {"stage": "process"} if verb == "resume" else None
    with meanwhile(lambda: finish_from_process(job_id) if verb == "resume" else finish_all(1)):
        answer = client.post(f"/api/v1/jobs/{job_id}:{verb}", json=body, headers=WAIT)
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded"), answer.text
    assert answer.headers["preference-applied"] == "wait=30"


def finish_from_process(job_id: str) -> None:
    wait_for(lambda: open_jobs() == [job_id], "the job is open again")
    for stage in (StageName.PROCESS, StageName.REPORT, StageName.NOTIFY):
        run_stage(job_id, stage)


@both_databases
def test_a_batch_is_asked_for_until_it_is_over(client: TestClient) -> None:
    made = client.post("/api/v1/batches", json=TWO).json()
    with meanwhile(lambda: finish_all(2)):
        answer = client.get(f"/api/v1/batches/{made['id']}", headers=WAIT)
    assert (answer.json()["progress"], answer.headers["preference-applied"]) == (1.0, "wait=30")


@both_databases
def test_bulk_work_is_answered_when_its_operation_is_over(client: TestClient, bury: Callable[..., str]) -> None:
    batch_id = client.post("/api/v1/batches", json=TWO).json()["id"]
    for path, body in (
        (f"batches/{batch_id}:cancel", None),
        ("jobs:cancel", {"q": "state:queued", "expect": 0}),
        ("dlq:discard", {"selection": {"ids": [bury()]}, "reason": "old"}),
    ):
        with meanwhile(work_off):
            answer = client.post(f"/api/v1/{path}", json=body, headers=WAIT)
        assert (answer.status_code, answer.json()["state"]) == (200, "done"), answer.text
        assert answer.headers["preference-applied"] == "wait=30"
        assert client.get(answer.headers["location"], headers=WAIT).json()["state"] == "done"
