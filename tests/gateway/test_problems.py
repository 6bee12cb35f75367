from __future__ import annotations

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.problems import pointer
from shared.contracts.problems import Problem
from shared.errors import External, Resource
from shared.store.engine import DatabaseAway

JSON = {"Content-Type": "application/json"}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["kind", "host", "target", "ports", "x/~"]) | st.text(max_size=3), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "no-such-route"),
        ("GET", "/api/v1/jobs/", 404, "no-such-route"),
        ("DELETE", "/api/v1/jobs", 405, "method-not-allowed"),
        ("GET", "/api/v1/jobs?limit=0", 422, "invalid-request"),
        ("GET", "/api/v1/jobs?state=lost", 422, "invalid-request"),
        ("GET", "/api/v1/jobs/ffffffff", 404, "job-not-found"),
    ],
)
def test_every_error_is_a_problem(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == status
    assert problem.trace_id


def test_405_names_every_method_of_the_path(client: TestClient) -> None:
    assert client.delete("/api/v1/jobs").headers["allow"] == "GET, POST"
    assert client.post("/livez").headers["allow"] == "GET, HEAD"


def test_a_body_of_another_type_is_415(client: TestClient) -> None:
    answer = client.post("/api/v1/jobs", content=b"target: x", headers={"Content-Type": "application/yaml"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"target":' * 5_000, b'{"a":' + b"1" * 6_000 + b"}"]
)
def test_what_is_no_json_is_400(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/jobs", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["code"].startswith("malformed-")


def test_bad_fields_are_pointed_at_and_not_echoed(client: TestClient) -> None:
    body = {"target": {"kind": "host", "host": "127.0.0.1"}, "notify": ["https://hunter2 x"], "a/b~": 1}
    answer = client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/notify/0", "/a~1b~0"}
    assert "hunter2" not in answer.text


@given(body=values)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_whatever_breaks_the_gateway(client: TestClient, body: object) -> None:
    for content in (body, {"target": body}, {"targets": [body]}, {"target": {"kind": "host", "host": body}}):
        answer = client.post("/api/v1/jobs", content=json.dumps(content), headers=JSON)
        assert answer.status_code in {202, 400, 422, 503}, answer.text
        assert answer.status_code == 202 or Problem.model_validate(answer.json()).detail


@given(st.lists(st.text(st.characters(codec=None)) | st.integers()))
def test_a_pointer_is_always_utf8_and_has_one_slash_per_part(parts: list[str | int]) -> None:
    assert pointer(parts).encode().count(b"/") == len(parts)


def test_a_database_that_is_away_is_503_without_its_driver_s_words(app: FastAPI, client: TestClient) -> None:
    @app.get("/api/v1/away")
    def away() -> None:
        raise DatabaseAway("The database failed: user admin at 10.0.0.5", cure="See that it runs")

    answer = client.get("/api/v1/away")
    assert (answer.status_code, answer.json()["code"]) == (503, "database-away")
    assert answer.json()["retryable"] is True
    assert int(answer.headers["retry-after"]) > 0
    assert "10.0.0.5" not in answer.text


@pytest.mark.parametrize(
    ("failure", "status"),
    [(ConnectionRefusedError("x"), 503), (TimeoutError("x"), 503), (MemoryError("x"), 503), (RecursionError("x"), 500)],
)
def test_an_unexpected_error_is_answered_by_its_class(
    app: FastAPI, client: TestClient, failure: Exception, status: int
) -> None:
    @app.get("/api/v1/unexpected")
    def unexpected() -> None:
        raise failure

    answer = client.get("/api/v1/unexpected")
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)


def test_an_error_of_ours_brings_its_status_its_cure_and_how_long_to_wait(app: FastAPI, client: TestClient) -> None:
    class Busy(External):
        retry_after_s = 17.0

    class Full(Resource):
        pass

    @app.get("/api/v1/{which}")
    def raising(which: str) -> None:
        raise Busy("They are busy.", cure="Wait.") if which == "busy" else Full("The disk is full.")

    busy, full = client.get("/api/v1/busy"), client.get("/api/v1/full")
    assert (busy.status_code, busy.json()["cure"], busy.headers["retry-after"]) == (502, "Wait.", "17")
    assert (full.status_code, full.json()["code"]) == (507, "full")
