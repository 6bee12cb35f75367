from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.contracts.job import Progress, StageName
from shared.contracts.observation import Coverage, Observation
from shared.ids import now
from shared.layers.ledger import Step
from shared.store import evidence
from shared.store.engine import writing
from shared.testing import wait_for
from tests.gateway.driving import both_databases, finish, run_stage

HOST = {"kind": "host", "host": "127.0.0.1"}


def start(client: TestClient) -> Any:
    answer = client.post("/api/scan", json={"target": "127.0.0.1", "ports": "22,80"})
    assert answer.status_code == 202, answer.text
    return answer.json()


@both_databases
def test_a_scan_is_started_followed_and_has_its_open_ports(client: TestClient) -> None:
    task = start(client)
    assert (task["state"], task["task_id"]) == ("PENDING", task["job_id"])
    seen = client.get(f"/api/scan/{task['task_id']}").json()
    assert (seen["state"], seen["progress"], seen["result"]) == ("PENDING", 0, None)
    facts = {"address": "127.0.0.1", "port": 22, "group": "critical", "latency_ms": 1.0}
    with writing() as connection:
        port = Observation(type="port", subject="22/tcp", data=facts, observed_at=now())
        evidence.save(connection, task["job_id"], "local", [port], Coverage())
    finish(task["job_id"])
    seen = client.get(f"/api/scan/{task['task_id']}").json()
    assert (seen["state"], seen["status"], seen["progress"]) == ("SUCCESS", "succeeded", 100)
    (found,) = seen["result"]["open_ports"]
    assert (found["port"], found["service"], found["group"]) == (22, "unknown", "critical")


def test_a_scan_under_way_tells_its_group(client: TestClient) -> None:
    task = start(client)
    path = f"/api/scan/{task['task_id']}"

    def tell(step: Step) -> bool:
        step.progress(Progress(done=1, total=2, unit="ports", current_group="critical", group_size=2))
        seen = client.get(path).json()
        assert seen["state"] == "PROGRESS"
        return (seen["progress"], seen["current_group"], seen["group_size"]) == (45, "critical", 2)

    def work(step: Step) -> None:
        wait_for(lambda: tell(step), "the progress is told")  # it is kept once a second

    run_stage(task["job_id"], StageName.SCAN, work)


def test_an_unknown_scan_is_not_found(client: TestClient) -> None:
    assert client.get("/api/scan/ffffffff").status_code == 404


@both_databases
def test_an_analysis_is_a_job(client: TestClient) -> None:
    task = client.post("/api/v1/analysis/submit", json={"target": HOST}).json()
    assert client.get(f"/api/v1/analysis/status/{task['task_id']}").json()["state"] == "PENDING"
    assert client.get(f"/api/v1/jobs/{task['job_id']}").json()["target"] == "127.0.0.1"


def test_a_bulk_of_analyses_is_a_batch(client: TestClient) -> None:
    answer = client.post("/api/v1/analysis/submit-bulk", json={"targets": [HOST, {"kind": "host", "host": "10.0.0.1"}]})
    assert (answer.status_code, answer.json()["total"]) == (202, 2)
    assert client.get(f"/api/v1/batches/{answer.json()['batch_id']}").json()["total"] == 2


@both_databases
def test_the_numbers_of_workers_have_their_earlier_names(client: TestClient) -> None:
    finish(start(client)["job_id"])
    start(client)
    seen = client.get("/api/v1/workers/stats").json()
    assert (seen["jobs_processed_24h"], seen["jobs_failed_24h"], seen["success_rate"]) == (1, 0, 1.0)
    assert (seen["active_workers"], seen["queue_depths"]["scan"], seen["total_pending"]) == (0, 2, 2)
    assert seen["avg_processing_time"] >= 0
    assert client.get("/api/v1/workers/status").json() == {"workers": [], "total": 0, "busy": 0}
    assert client.get("/api/v1/workers/queues").json()["total_pending"] == 2


def test_scaling_says_what_to_do_instead(client: TestClient) -> None:
    answer = client.post("/api/v1/workers/scale", json={"service": "scan", "count": 3})
    assert (answer.status_code, answer.json()["code"]) == (409, "scaling-absent")
    assert "--scale" in answer.json()["cure"]


def test_dead_letters_are_listed_and_replayed_by_their_earlier_names(
    client: TestClient, bury: Callable[..., str]
) -> None:
    letter_id = bury()
    assert [each["id"] for each in client.get("/api/v1/workers/dlq").json()["items"]] == [letter_id]
    assert client.post(f"/api/v1/workers/dlq/{letter_id}/replay").status_code == 409  # of no job: it says why
    answer = client.post("/api/v1/workers/dlq/replay-all")
    assert (answer.status_code, answer.json()["kind"], answer.json()["total"]) == (202, "dlq.replay", 1)


def test_clearing_needs_to_be_confirmed(client: TestClient, bury: Callable[..., str]) -> None:
    bury()
    assert client.delete("/api/v1/workers/dlq/clear").status_code == 400
    answer = client.delete("/api/v1/workers/dlq/clear?confirm=true")
    assert (answer.status_code, answer.json()["total"]) == (202, 1)


@pytest.mark.parametrize("path", ["/api/scan", "/api/v1/workers/stats"])
def test_they_are_deprecated_in_the_document(client: TestClient, path: str) -> None:
    (operation,) = client.get("/api/v1/openapi.json").json()["paths"][path].values()
    assert operation["deprecated"] is True
