from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from shared.store.engine import reading
from shared.store.tables import dead_letters, metadata
from tests.gateway.driving import both_databases, finish

JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}
LATER = {**JOB, "not_before": "2027-01-01T00:00:00Z"}


def _submit(client: TestClient, asked: object = JOB) -> str:
    job_id: str = client.post("/api/v1/jobs", json=asked).json()["jobs"][0]["id"]
    return job_id


@both_databases
def test_a_job_that_waits_is_changed(client: TestClient) -> None:
    job_id = _submit(client, LATER)
    asked = {"priority": "urgent", "tags": {"team": "red"}, "deadline_at": "2027-02-01T00:00:00Z"}
    changed = client.patch(f"/api/v1/jobs/{job_id}", json=asked)
    assert changed.status_code == 200
    job = changed.json()
    assert (job["priority"], job["tags"], job["deadline_at"]) == ("urgent", {"team": "red"}, "2027-02-01T00:00:00Z")
    assert (job["lane"], job["request"]["priority"]) == ("scan.realtime", "urgent")
    assert client.get("/api/v1/audit?action=job.change").json()["items"][0]["detail"]["priority"] == "urgent"


def test_what_is_with_the_broker_keeps_its_priority_and_gets_tags(client: TestClient) -> None:
    job_id = _submit(client)
    refused = client.patch(f"/api/v1/jobs/{job_id}", json={"priority": "low"})
    assert (refused.status_code, refused.json()["code"]) == (409, "job-sent")
    assert client.patch(f"/api/v1/jobs/{job_id}", json={"tags": {"a": "b"}}).json()["tags"] == {"a": "b"}


def test_a_change_of_something_else_than_one_knows_is_412(client: TestClient) -> None:
    job_id = _submit(client, LATER)
    known = client.get(f"/api/v1/jobs/{job_id}").headers["etag"]
    first = client.patch(f"/api/v1/jobs/{job_id}", json={"tags": {"a": "b"}}, headers={"If-Match": known})
    assert first.status_code == 200
    second = client.patch(f"/api/v1/jobs/{job_id}", json={"tags": {"a": "c"}}, headers={"If-Match": known})
    assert (second.status_code, second.json()["code"]) == (412, "precondition-failed")
    again = client.patch(
        f"/api/v1/jobs/{job_id}", json={"tags": {"a": "c"}}, headers={"If-Match": first.headers["etag"]}
    )
    assert again.status_code == 200


@both_databases
def test_a_job_that_is_over_is_deleted_with_all_that_came_of_it(client: TestClient, bury: Callable[..., str]) -> None:
    job_id = _submit(client)
    refused = client.delete(f"/api/v1/jobs/{job_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "job-open")
    finish(job_id)
    bury(job_id=job_id)
    assert client.delete(f"/api/v1/jobs/{job_id}").status_code == 204
    assert client.get(f"/api/v1/jobs/{job_id}").status_code == 404
    with reading() as connection:
        assert connection.execute(select(dead_letters.c.id)).all() == []
        for table in metadata.sorted_tables:
            if "job_id" in table.c:
                assert connection.execute(select(table.c.job_id).where(table.c.job_id == job_id)).all() == [], (
                    table.name
                )
    [line] = client.get("/api/v1/audit?action=job.delete").json()["items"]
    assert (line["subject"], line["detail"]["target"]) == (f"job:{job_id}", "127.0.0.1")


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/jobs/{id}", "/api/v1/quota"])
def test_what_the_client_has_already_is_not_sent_again(client: TestClient, path: str) -> None:
    path = path.format(id=_submit(client, LATER))
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "content-type" not in again.headers
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_what_changed_is_sent(client: TestClient) -> None:
    known = client.get("/api/v1/jobs").headers["etag"]
    _submit(client)
    assert client.get("/api/v1/jobs", headers={"If-None-Match": known}).status_code == 200
