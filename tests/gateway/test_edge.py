from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway.app import allowed_hosts
from gateway.edge import BODY_LIMIT, BULK_LIMIT, name
from shared.settings import Settings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_every_answer_is_guarded_against_sniffing_framing_and_caching(client: TestClient) -> None:
    for path in ("/api/v1/jobs", "/nowhere", "/livez"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_a_trace_is_continued_and_returned(client: TestClient) -> None:
    answer = client.get("/nowhere", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert answer.headers["traceparent"].split("-")[1] == TRACE
    assert answer.json()["trace_id"] == TRACE


def test_a_bug_says_nothing_but_its_trace(
    app: FastAPI, client: TestClient, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/api/v1/broken")
    def broken() -> None:
        raise KeyError("the password is hunter2")

    with caplog.at_level(logging.ERROR):
        answer = client.get("/api/v1/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert "hunter2" not in answer.text
    assert "KeyError" not in answer.text
    problem = answer.json()
    assert problem["code"] == "internal"
    assert problem["trace_id"]
    logged = caplog.text + "".join(capsys.readouterr())
    assert "gateway.request.failed" in logged


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize(("path", "limit"), [("/api/v1/jobs", BULK_LIMIT), ("/api/v1/scan-rules", BODY_LIMIT)])
def test_a_body_above_the_limit_is_413(client: TestClient, is_declared: bool, path: str, limit: int) -> None:
    body = b"x" * (limit + 1)
    content = body if is_declared else (body[start : start + 65536] for start in range(0, len(body), 65536))
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "body-too-large"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "127.0.0.1:80@evil.example",
        "127.0.0.1:80:80",
        "127.0.0.1 ",
        "[127.0.0.1]",
        "",
        "[::2]:80",
        "[::1",
        "[::1]evil.example",
    ],
)
def test_a_page_that_rebinds_its_name_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/livez", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["code"] == "misdirected"


def test_two_host_headers_are_no_name(client: TestClient) -> None:
    answer = client.get("/livez", headers=[("Host", "127.0.0.1"), ("Host", "evil.example")])
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "LOCALHOST:1"])
def test_its_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [("a.b", "a.b"), ("A:1", "a"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("", ""), (":80", ""), ("a:", "a")],
)
def test_a_host_header_is_taken_apart(header: str, expected: str) -> None:
    assert name(header) == expected


def test_only_loopback_checks_the_host_header() -> None:
    public = "https://scan.example:8443/x"
    assert allowed_hosts(Settings(gateway_host="0.0.0.0")) == frozenset()
    names = allowed_hosts(Settings(gateway_host="127.0.0.2", gateway_public_url=public))
    assert names == {"localhost", "127.0.0.1", "::1", "127.0.0.2", "scan.example"}
    assert "localhost" in allowed_hosts(Settings(gateway_host="::1"))


def test_a_query_parameter_that_nobody_knows_is_named(client: TestClient) -> None:
    answer = client.get("/api/v1/jobs?limit=5&stat=failed&tickets=1")
    assert answer.status_code == 422
    assert [each["detail"] for each in answer.json()["errors"]] == [
        "query parameter 'stat': unknown",
        "query parameter 'tickets': unknown",
    ]
    assert "limit" in answer.json()["cure"]
    assert client.get("/api/v1/jobs?limit=5").status_code == 200
