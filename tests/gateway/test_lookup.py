from __future__ import annotations

from collections.abc import Callable

from fastapi.testclient import TestClient

from tests.gateway.driving import both_databases


@both_databases
def test_a_job_is_found_by_its_id_or_either_end_of_it(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    for piece in (job_id, job_id[-8:], job_id[:13], job_id[-4:].upper()):
        assert client.get(f"/api/v1/jobs/{piece}").json()["id"] == job_id


@both_databases
def test_a_piece_that_several_jobs_have_is_409_and_lists_them(client: TestClient, make_job: Callable[..., str]) -> None:
    ids = [make_job() for _ in range(2)]
    answer = client.get(f"/api/v1/jobs/{ids[0][:4]}/findings")
    assert (answer.status_code, answer.json()["code"]) == (409, "job-ambiguous")
    assert answer.json()["candidates"] == ids[::-1]
    assert ids[0][-8:] in answer.json()["detail"]


@both_databases
def test_what_is_no_piece_of_an_id_finds_nothing(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    for piece in (job_id[-3:], "%25%25%25%25", "____", "%00%00%00%00", job_id + "0", "ffffffff"):
        assert client.get(f"/api/v1/jobs/{piece}").status_code == 404, piece


def test_a_job_of_another_organisation_is_not_there(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job(org_id="another")
    for path in ("", "/findings", "/events", "/timeline", "/reports", "/reports/pdf", "/document", "/deliveries"):
        assert client.get(f"/api/v1/jobs/{job_id}{path}").status_code == 404
    assert client.get("/api/v1/jobs").json()["items"] == []
