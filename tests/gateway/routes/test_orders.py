"""Reports ordered over HTTP; a worker's part is done here as `services.report` does it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from gateway import broker
from services.report.tasks import write_one
from shared.contracts.events import EventType
from shared.contracts.job import StageName
from shared.layers import around
from shared.layers.delivery import Delivery
from shared.store import audit, orders, outbox, timeline
from shared.store.engine import reading
from shared.testing import RedisServer, wait_for
from tests.gateway.driving import both_databases, finish, run_stage


@pytest.fixture
def job_id(make_job: Callable[..., str]) -> str:
    made = make_job(reports=[])
    finish(made)
    return made


def make_file(job_id: str, form: str) -> None:
    with reading() as connection:
        envelope, _ = outbox.envelope(connection, job_id)
    envelope = envelope.model_copy(update={"part": form, "deadline_at": None})
    with around(StageName.REPORT, envelope, Delivery("worker@test", 0, 30.0)) as step:
        write_one(envelope, step)


@both_databases
def test_an_order_is_taken_in_followed_and_downloaded(client: TestClient, job_id: str) -> None:
    path = f"/api/v1/jobs/{job_id}/reports"
    answer = client.post(path, json={"format": "html"})
    assert (answer.status_code, answer.json()["state"], answer.headers["retry-after"]) == (202, "pending", "1")
    assert answer.headers["location"] == f"{path}/html/order"
    assert client.post(path, json={"format": "html"}).status_code == 202
    make_file(job_id, "html")
    order = client.get(answer.headers["location"]).json()
    assert (order["state"], order["report"]["format"]) == ("succeeded", "html")
    assert client.get(f"{path}/html").text.startswith("<!doctype html>")
    again = client.post(path, json={"format": "html"})
    assert (again.status_code, again.json()) == (200, order)
    with reading() as connection:
        kinds = [event.type for event in timeline.of_job(connection, job_id) if event.part == "html"]
        said = [line for line in audit.page(connection, "local", limit=50) if line.action == "report.ordered"]
    assert kinds == [EventType.REPORT_ORDERED, EventType.STAGE_STARTED, EventType.STAGE_FINISHED]
    assert [(line.actor, line.subject, line.detail["format"]) for line in said] == [("token", f"job:{job_id}", "html")]


def test_whoever_prefers_to_wait_gets_the_report_when_it_is_made(client: TestClient, job_id: str) -> None:
    def make_it_once_ordered() -> None:
        wait_for(lambda: client.get(f"/api/v1/jobs/{job_id}/reports/json/order").status_code == 200, "an order")
        make_file(job_id, "json")

    worker = threading.Thread(target=make_it_once_ordered)
    worker.start()
    headers = {"Prefer": "wait=30"}
    answer = client.post(f"/api/v1/jobs/{job_id}/reports", json={"format": "json"}, headers=headers)
    worker.join()
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert answer.json()["report"]["format"] == "json"


def test_a_repeated_request_orders_once(client: TestClient, job_id: str) -> None:
    headers = {"Idempotency-Key": "k"}
    path = f"/api/v1/jobs/{job_id}/reports"
    first, second = (client.post(path, json={"format": "pdf"}, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"


def test_a_job_that_runs_is_a_conflict_and_an_unknown_format_is_named(
    client: TestClient, job_id: str, make_job: Callable[..., str]
) -> None:
    running = make_job()
    run_stage(running, StageName.SCAN)
    answer = client.post(f"/api/v1/jobs/{running}/reports", json={"format": "pdf"})
    assert (answer.status_code, answer.json()["code"]) == (409, "job-not-over")
    answer = client.post(f"/api/v1/jobs/{job_id}/reports", json={"format": "odt"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/format")
    assert "There is: html, json, pdf." in answer.json()["detail"]
    assert client.get(f"/api/v1/jobs/{job_id}/reports/pdf/order").json()["code"] == "order-not-found"


def test_too_many_orders_are_429(client: TestClient, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "MOST", 1)
    path = f"/api/v1/jobs/{job_id}/reports"
    assert client.post(path, json={"format": "pdf"}).status_code == 202
    answer = client.post(path, json={"format": "html"})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "too-many-orders", "10")


def test_an_order_is_kept_while_the_broker_is_away(client: TestClient, job_id: str, mortal_redis: RedisServer) -> None:
    broker.pipeline()
    mortal_redis.stop()
    answer = client.post(f"/api/v1/jobs/{job_id}/reports", json={"format": "pdf"})
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
