from __future__ import annotations

from collections.abc import Callable
from email.message import Message

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from gateway.routes.reports import disposition
from services.report.formats import csv, html, json, pdf
from shared.contracts.job import StageName
from shared.contracts.report import ReportDocument
from shared.store import deliveries, reports
from shared.store.engine import writing
from shared.store.step import Key
from tests.gateway.driving import both_databases

HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture
def job_id(make_job: Callable[..., str]) -> str:
    made = make_job(notify=["https://hooks.example/T0/hunter2"])
    written(made, "html")
    return made


def written(job_id: str, name: str) -> str:
    """Write a report of a job; return its id."""
    view = reports.describe(job_id, name, "text/html; charset=utf-8", "db1-é.html", HTML)
    with writing() as connection:
        reports.save(connection, "local", view, HTML)
    return view.id


@both_databases
def test_a_report_is_downloaded_as_it_was_written(client: TestClient, job_id: str) -> None:
    answer = client.get(f"/api/v1/jobs/{job_id}/reports/html")
    assert answer.content == HTML
    headers = answer.headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-disposition"] == "attachment; filename=\"db1-_.html\"; filename*=UTF-8''db1-%C3%A9.html"
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"


def test_a_report_that_the_client_has_is_not_sent_again(client: TestClient, job_id: str) -> None:
    tag = client.get(f"/api/v1/jobs/{job_id}/reports/html").headers["etag"]
    (view,) = client.get(f"/api/v1/jobs/{job_id}/reports").json()["items"]
    assert tag == f'"{view["sha256"]}"'
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = client.get(f"/api/v1/jobs/{job_id}/reports/html", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert client.get(f"/api/v1/jobs/{job_id}/reports/html", headers={"If-None-Match": '"x"'}).status_code == 200


@both_databases
def test_reports_of_all_jobs_are_listed_newest_first(client: TestClient, make_job: Callable[..., str]) -> None:
    made = [written(make_job(f"10.0.0.{n}"), "html" if n % 2 else "json") for n in range(5)]
    first = client.get("/api/v1/reports?limit=2").json()
    second = client.get(f"/api/v1/reports?limit=200&cursor={first['next']}").json()
    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None
    of_one_format = client.get("/api/v1/reports?format=html").json()["items"]
    assert [one["id"] for one in of_one_format] == [made[3], made[1]]
    assert client.get("/api/v1/reports?cursor=x").json()["code"] == "cursor-refused"


def test_a_report_that_is_not_there_is_404(client: TestClient, job_id: str) -> None:
    answer = client.get(f"/api/v1/jobs/{job_id}/reports/pdf")
    assert (answer.status_code, answer.json()["code"]) == (404, "report-not-found")


def test_the_media_types_of_all_formats_are_documented(client: TestClient) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    named = set(paths["/api/v1/jobs/{id}/reports/{format}"]["get"]["responses"]["200"]["content"])
    assert named - {"*/*"} == {each.MEDIA_TYPE.partition(";")[0] for each in (csv, html, json, pdf)}


def test_the_document_is_the_public_schema(client: TestClient, job_id: str) -> None:
    document = ReportDocument.model_validate_json(client.get(f"/api/v1/jobs/{job_id}/document").content)
    assert document.job.id == job_id


def test_deliveries_and_jobs_do_not_show_the_secret_of_a_destination(client: TestClient, job_id: str) -> None:
    with writing() as connection:
        delivery = deliveries.begin(
            connection, Key(job_id, "local", StageName.NOTIFY), "https", "https://hooks.example/T0/hunter2"
        )
        deliveries.end(connection, delivery.id, "sent", "204")
    answer = client.get(f"/api/v1/jobs/{job_id}/deliveries")
    assert [(d["state"], d["answer"]) for d in answer.json()["items"]] == [("sent", "204")]
    for path in ("", "/deliveries", "/document"):
        assert "hunter2" not in client.get(f"/api/v1/jobs/{job_id}{path}").text


@given(st.text(min_size=1, max_size=40))
def test_no_file_name_breaks_out_of_its_header(name: str) -> None:
    header = disposition(name)
    header.encode("latin-1")
    assert not set("\r\n\0") & set(header)
    parsed = Message()
    parsed["Content-Disposition"] = header
    assert parsed.get_content_disposition() == "attachment"
    assert "/" not in header.replace("UTF-8''", "")
