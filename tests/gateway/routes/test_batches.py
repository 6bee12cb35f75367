from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from shared.contracts.finding import Assessment
from shared.contracts.job import StageName
from shared.contracts.operation import BulkCancel
from shared.ids import now
from shared.store import cancels, findings, outbox
from shared.store.engine import reading, writing
from tests.gateway.driving import both_databases, finish, run_stage

HOSTS = [{"kind": "host", "host": f"10.0.0.{n}"} for n in range(1, 4)]


def make(client: TestClient, targets: list[Any] | None = None, **more: Any) -> Any:
    answer = client.post("/api/v1/batches", json={"targets": targets or HOSTS, **more})
    assert answer.status_code == 202, answer.text
    return answer.json()


def jobs_of(client: TestClient, batch: Any) -> list[Any]:
    found: list[Any] = client.get(f"/api/v1/batches/{batch['id']}/jobs").json()["items"]
    return found


@both_databases
def test_a_batch_is_told_by_its_counts_and_not_by_its_jobs(client: TestClient) -> None:
    made = make(client, [{"kind": "host", "host": "10.0.0.0/29"}, *HOSTS], name="office")
    assert (made["name"], made["total"], made["states"], made["created_by"]) == ("office", 9, {"queued": 9}, "token")
    assert "jobs" not in made
    assert client.get(f"/api/v1/batches/{made['id'][-8:]}").json() == made
    assert {job["batch_id"] for job in jobs_of(client, made)} == {made["id"]}


@both_databases
def test_how_far_it_is_is_counted_from_its_jobs(client: TestClient) -> None:
    made = make(client, reports=[])
    first, second = (job["id"] for job in jobs_of(client, made)[:2])
    finish(first)
    run_stage(second, StageName.SCAN)
    with writing() as connection:
        found = Assessment(score=50, grade="D", severities={"high": 2, "low": 1})
        findings.save(connection, first, "local", [], found)
    seen = client.get(f"/api/v1/batches/{made['id']}").json()
    assert (seen["states"], seen["severities"]) == ({"queued": 1, "running": 1, "succeeded": 1}, {"high": 2, "low": 1})
    assert (seen["progress"], seen["finished_at"]) == (0.3333, None)
    assert seen["started_at"]


def test_it_is_finished_when_its_last_job_is(client: TestClient) -> None:
    made = make(client, HOSTS[:1])
    finish(jobs_of(client, made)[0]["id"])
    seen = client.get(f"/api/v1/batches/{made['id']}").json()
    assert seen["progress"] == 1
    assert seen["finished_at"]


def test_one_wrong_target_means_that_nothing_is_made(client: TestClient) -> None:
    answer = client.post("/api/v1/batches", json={"targets": [*HOSTS, {"kind": "host", "host": "10.0.0.999"}]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/targets/3/host")
    assert client.get("/api/v1/batches").json()["items"] == []
    assert client.get("/api/v1/jobs").json()["items"] == []


def test_a_refused_address_means_that_nothing_is_made(client: TestClient) -> None:
    answer = client.post("/api/v1/batches", json={"targets": [*HOSTS, {"kind": "host", "host": "169.254.169.254"}]})
    assert (answer.status_code, answer.json()["code"]) == (403, "target-refused")
    assert client.get("/api/v1/jobs").json()["items"] == []


def test_several_targets_of_one_submission_are_a_batch_too(client: TestClient) -> None:
    made = client.post("/api/v1/jobs", json={"targets": HOSTS}).json()
    assert client.get(f"/api/v1/batches/{made['batch_id']}").json()["total"] == 3


def test_batches_are_listed_newest_first_page_by_page(client: TestClient) -> None:
    made = [make(client, HOSTS[:1], name=f"n{n}") for n in range(3)]
    first = client.get("/api/v1/batches?limit=2").json()
    rest = client.get(f"/api/v1/batches?limit=2&cursor={first['next']}").json()
    assert [each["id"] for each in first["items"] + rest["items"]] == [each["id"] for each in reversed(made)]
    assert rest["next"] is None


def test_cancelling_a_batch_is_an_operation_about_its_open_jobs(client: TestClient) -> None:
    made, other = make(client), make(client)
    finish(jobs_of(client, made)[0]["id"])
    answer = client.post(f"/api/v1/batches/{made['id']}:cancel")
    assert (answer.status_code, answer.json()["total"]) == (202, 2)
    assert answer.json()["params"]["batch_id"] == made["id"]
    with reading() as connection:
        assert cancels.count(connection, "local", BulkCancel(batch_id=other["id"])) == 3


def test_more_targets_than_one_batch_may_have_are_refused(client: TestClient) -> None:
    answer = client.post("/api/v1/batches", json={"targets": [{"kind": "host", "host": "10.0.0.0/20"}] * 3})
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many-jobs")


@both_databases
def test_all_jobs_of_a_large_batch_are_published(client: TestClient) -> None:
    made = make(client, [{"kind": "host", "host": "10.0.0.0/23"}, {"kind": "host", "host": "10.1.0.0/26"}])
    assert made["total"] == 510 + 62  # more than are told of together
    with reading() as connection:
        assert outbox.unpublished(connection, before=now()) == []
