"""Organisation B names what is of A inside queries, bodies, cursors and headers: it is told what it is told of nobody.

`OF_NOBODY` is what was never made. An answer that differs between the two would tell B what A has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway import openapi
from shared import registry, telemetry
from shared.contracts.submission import Options
from shared.ids import now
from shared.store import jobs
from shared.store.engine import writing
from shared.store.jobs import NewJob
from tests.gateway import foreign
from tests.gateway.driving import both_databases, finish
from tests.gateway.foreign import CANARY, A, B, Foreign

HERE = "http://127.0.0.1"
STREAMS = {"/api/v1/events", "/api/v1/jobs/{id}/events"}
OF_NOBODY = {"id": "01928e1c-0000-7000-8000-000000000000", "text": "canary-of-x", "org": "org-x"}
TIMES = re.compile(r'"(at|took_s|trace_id|instance|checked_at|oldest_at)":("[^"]*"|[0-9.]+)')

# What a parameter of a query may say that names a thing: an id or a text of somebody.
QUERIES = {
    "batch_id": ["{id}"],
    "group": ["{text}", "{id}"],
    "actor": ["{text}", "user:{text}@example.org"],
    "subject": ["job:{id}", "{text}"],
    "action": ["{text}"],
    "after": ["1"],
    "q": ["id:{id}", "batch:{id}", "target:{text}*", "tag:owner={text}", "job:{id}", "{text}", "id:{id} OR state:open"],
}
# Bodies that name things, where another part of the same body may be right.
BODIES: dict[str, list[Any]] = {
    "/jobs:cancel": [
        {"ids": ["{id}"]},
        {"ids": ["{mine}", "{id}"]},
        {"batch_id": "{id}", "dry_run": True},
        {"q": "id:{id}", "dry_run": True},
        {"q": "target:{text}*", "expect": 3},
    ],
    "/findings:triage": [
        {"ids": ["{id}"], "status": "acknowledged"},
        {"q": "job:{id}", "status": "acknowledged", "expect": 1},
        {"q": "{text}", "status": "acknowledged", "dry_run": True},
    ],
    "/dlq:replay": [
        {"selection": {"ids": ["{id}"]}},
        {"selection": {"ids": ["{letter}", "{id}"]}},
        {"selection": {"group": "{text}"}, "dry_run": True},
    ],
    "/dlq:discard": [
        {"selection": {"ids": ["{id}"]}},
        {"selection": {"ids": ["{letter}", "{id}"]}},
        {"selection": {"group": "{text}"}, "expect": 2},
    ],
    "/dlq/rules:test": [{"fingerprint": "{text}", "failure_class": "permanent"}],
    "/auth/switch": [{"org": "{org}"}],
}


@pytest.fixture
def of_a(make_job: Callable[..., str], bury: Callable[..., str]) -> Foreign:
    return foreign.found(make_job, bury)


@pytest.fixture
def as_b(app: FastAPI, of_a: Foreign) -> Iterator[TestClient]:
    """A client with the API key of an owner of B."""
    with TestClient(app, base_url=HERE, headers=foreign.bearer(B), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def of_b(as_b: TestClient, make_job: Callable[..., str], bury: Callable[..., str]) -> dict[str, str]:
    """What B has: a job that is over, one that waits, and a dead letter."""
    over, waits = make_job(org_id=B), make_job(org_id=B)
    finish(over)
    return {"over": over, "mine": waits, "letter": bury(org_id=B, job_id=waits)}


def told(answer: Any, names: dict[str, str]) -> tuple[int, str]:
    """Return an answer without what was asked and when."""
    text = TIMES.sub("", answer.text)
    for name, value in sorted(names.items(), key=lambda each: -len(each[1])):
        text = text.replace(value, name)
    return answer.status_code, text


def pairs(of_a: Foreign) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Yield names of A, each with those of nobody."""
    for each in (of_a.jobs[0], of_a.batch, of_a.letters[0], of_a.finding):
        yield {"id": each, "text": CANARY, "org": A}, OF_NOBODY


def written(shape: Any, names: dict[str, str]) -> Any:
    """Fill names into a shape of JSON."""
    if isinstance(shape, str):
        return shape.format_map(names)
    if isinstance(shape, list):
        return [written(each, names) for each in shape]
    return {key: written(value, names) for key, value in shape.items()} if isinstance(shape, dict) else shape


def parameters(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Yield the path and the name of every parameter of a query that reads."""
    for path, methods in openapi.document(app)["paths"].items():
        for each in methods.get("get", {}).get("parameters", []):
            if each.get("in") == "query" and path not in STREAMS:
                yield path, each["name"]


@both_databases
def test_what_of_a_is_named_in_a_query_is_as_of_nobody(
    app: FastAPI, as_b: TestClient, of_a: Foreign, of_b: dict[str, str]
) -> None:
    asked = [each for each in parameters(app) if each[1] in QUERIES]
    assert {name for _, name in asked} == set(QUERIES), "each is tried somewhere"
    for path, name in asked:
        url = path.replace("{id}", of_b["over"])
        for value in QUERIES[name]:
            for pair in pairs(of_a) if "{id}" in value else [next(pairs(of_a))]:
                ours, theirs = (told(as_b.get(url, params={name: written(value, each)}), each) for each in pair)
                assert ours == theirs, f"{path}?{name}={value}"


@both_databases
def test_what_of_a_is_named_in_a_body_is_as_of_nobody_and_stays_as_it_is(
    as_b: TestClient, of_a: Foreign, of_b: dict[str, str]
) -> None:
    before = foreign.rows()
    for path, shapes in BODIES.items():
        for shape in shapes:
            for pair in pairs(of_a) if "{id}" in str(shape) else [next(pairs(of_a))]:
                answers = [as_b.post(f"/api/v1{path}", json=written(shape, names | of_b)) for names in pair]
                ours, theirs = (told(*each) for each in zip(answers, pair, strict=True))
                assert ours == theirs, f"{path} {shape}"
    assert foreign.rows() == before


def test_a_cursor_of_a_leads_b_to_nothing_of_a(app: FastAPI, as_b: TestClient, of_a: Foreign) -> None:
    paths = [path for path, name in parameters(app) if name == "cursor" and "{" not in path]
    as_a = foreign.bearer(A)
    first = {path: as_b.get(path, params={"limit": 1}, headers=as_a).json() for path in paths}
    given = {path: page["next"] for path, page in first.items() if page.get("next")}
    assert {"/api/v1/jobs", "/api/v1/dlq"} <= set(given)
    for path in paths:
        for cursor in given.values():
            answer = as_b.get(path, params={"cursor": cursor})
            assert answer.status_code in {200, 400, 403, 422}, path
            assert not [mark for mark in (CANARY, *of_a.ids) if mark in answer.text], path


def test_a_piece_of_an_id_is_looked_for_among_ones_own(
    as_b: TestClient, of_a: Foreign, make_job: Callable[..., str]
) -> None:
    """Ids begin with the time, so those of A and B begin alike."""
    mine = make_job(org_id=B)
    assert mine[:6] == of_a.jobs[0][:6]
    assert as_b.get(f"/api/v1/jobs/{mine[:6]}").json()["id"] == mine
    make_job(org_id=B)
    several = as_b.get(f"/api/v1/jobs/{mine[:6]}")
    assert several.status_code == 409
    assert not of_a.ids & set(several.json()["candidates"])


@both_databases
def test_one_trace_shows_each_organisation_its_own_jobs(as_b: TestClient, of_a: Foreign) -> None:
    """A trace id may come from outside, so two organisations can have the same one."""
    alone, shared = "a" * 32, "b" * 32
    for trace_id, org_id in ((alone, A), (shared, A), (shared, B)):
        traced(trace_id, org_id)
    for headers, of in ((foreign.bearer(A), A), ({}, B)):
        found = as_b.get(f"/api/v1/traces/{shared}", headers=headers).json()
        assert [job["target"] for job in found["jobs"]] == [f"{of}.example"]
        assert {span["job_id"] for span in found["spans"]} == {found["jobs"][0]["id"]}
    ours, theirs = (as_b.get(f"/api/v1/traces/{trace_id}") for trace_id in (alone, "c" * 32))
    assert told(ours, {"id": alone}) == told(theirs, {"id": "c" * 32})
    assert ours.status_code == 404


def traced(trace_id: str, org_id: str) -> None:
    """Write a job of an organisation with a trace."""
    target = registry.target({"kind": "host", "host": f"{org_id}.example"})
    new = NewJob(org_id=org_id, target=target, options=Options(), lane="scan", deadline_at=now(), parts={})
    with telemetry.span("asked", traceparent=f"00-{trace_id}-{'1' * 16}-01"), writing(org_id) as connection:
        jobs.create(connection, [new])


EXPORTS = [
    *(f"/findings/export?{query}" for query in ("format=jsonl", "format=csv", "all=true", "all=true&format=csv")),
    *(f"/audit/export?{query}" for query in ("format=jsonl", "format=csv")),
    *(f"/dlq/export{query}" for query in ("", "?state=open")),
]


@pytest.mark.parametrize("path", EXPORTS)
def test_an_export_has_ones_own_alone(as_b: TestClient, of_a: Foreign, path: str) -> None:
    of_both = [as_b.get(f"/api/v1{path}", headers=headers) for headers in (foreign.bearer(A), {})]
    assert [answer.status_code for answer in of_both] == [200, 200]
    assert [CANARY in answer.text for answer in of_both] == [True, False]
    assert not [each for each in of_a.ids if each in of_both[1].text]


POSTS: dict[str, Any] = {
    "/jobs": {"target": {"kind": "host", "host": "127.0.0.1"}},
    "/batches": {"targets": [{"kind": "host", "host": "127.0.0.1"}], "name": "night"},
    "/api-keys": {"name": "again", "role": "viewer"},
    "/scan-rules": {"effect": "deny", "what": "10.9.9.9"},
    "/dlq/rules": {"fingerprint": "b", "failure_class": "permanent"},
    "/auth/ticket": None,
}


@pytest.mark.parametrize("path", POSTS)
def test_an_idempotency_key_of_a_is_a_new_one_for_b(as_b: TestClient, of_a: Foreign, path: str) -> None:
    key = {"Idempotency-Key": "the-same-for-both"}
    body = POSTS[path]
    first = as_b.post(f"/api/v1{path}", json=body, headers=key | foreign.bearer(A))
    again, other = as_b.post(f"/api/v1{path}", json=body, headers=key), as_b.post("/api/v1/jobs:cancel", headers=key)
    assert first.status_code == again.status_code < 300
    assert "idempotency-replayed" not in again.headers
    assert again.text != first.text
    assert other.status_code == 422, "to B, it was used for something else, by B"
