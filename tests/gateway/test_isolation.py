"""Organisation B tries every route with everything of A: to B, A is not there, and nothing of A changes.

The routes are read from the application. One that this cannot try by itself fails until it is told how, in `BODIES`,
`NAMES` or `ELSEWHERE`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from gateway.app import create_app
from shared.contracts.identity import Permission, Role, permitted
from shared.settings import settings
from tests.gateway import foreign
from tests.gateway.driving import HOSTS, TOKEN, both_databases
from tests.gateway.foreign import CANARY, KNOWN_TRACE, A, B, Foreign

HERE = "http://127.0.0.1"
Bodies = Callable[[Foreign], list[Any]]

# What a body says that names something of A. A route whose body names nothing gets one that is right.
BODIES: dict[str, Bodies] = {
    "POST /api/v1/alerts/{id}:acknowledge": lambda _: [{}],
    "POST /api/v1/jobs": lambda a: [{"target": {"kind": "host", "host": "127.0.0.1"}}],
    "POST /api/v1/jobs:cancel": lambda a: [
        {"ids": a.jobs},
        {"q": "state:queued", "dry_run": True},
        {"batch_id": a.batch, "dry_run": True},
        {"batch_id": a.batch, "expect": 3},
        {"q": f"target:{CANARY}*", "expect": 3},
    ],
    "POST /api/v1/batches": lambda a: [{"targets": [{"kind": "host", "host": "127.0.0.1"}]}],
    "POST /api/scan": lambda a: [{"target": "127.0.0.1"}],
    "POST /api/v1/analysis/submit": lambda a: [{"target": {"kind": "host", "host": "127.0.0.1"}}],
    "POST /api/v1/analysis/submit-bulk": lambda a: [{"targets": [{"kind": "host", "host": "127.0.0.1"}]}],
    "POST /api/v1/workers/scale": lambda a: [{"service": "scan", "count": 1}],
    "POST /api/v1/findings/{id}:triage": lambda a: [{"status": "acknowledged"}],
    "POST /api/v1/findings:triage": lambda a: [{"q": "status:open", "status": "acknowledged", "expect": 1}],
    "POST /api/v1/jobs/{id}:resume": lambda a: [{"stage": "scan"}],
    "POST /api/v1/jobs/{id}/reports": lambda a: [{"format": "html"}, {"format": "json"}],
    "POST /api/v1/dlq/rules": lambda a: [{"fingerprint": "b", "failure_class": "permanent"}],
    "POST /api/v1/dlq/rules:test": lambda a: [{"contains": "a", "failure_class": "permanent"}],
    "POST /api/v1/dlq/{id}:replay": lambda a: [{}, {"force": True}, {"mode": "skip"}],
    "POST /api/v1/dlq/{id}:classify": lambda a: [{"failure_class": "permanent", "learn": True}],
    "POST /api/v1/dlq/{id}:snooze": lambda a: [{"until": "2030-01-01T00:00:00Z"}],
    "POST /api/v1/dlq:replay": lambda a: [
        {"selection": {"ids": a.letters}},
        {"selection": {"all": True}},
        {"selection": {"all": True}, "dry_run": True},
        {"selection": {"q": "state:open"}},
        {"selection": {"group": CANARY}, "dry_run": True},
    ],
    "POST /api/v1/dlq:discard": lambda a: [
        {"selection": {"ids": a.letters}},
        {"selection": {"all": True}, "expect": 2},
        {"selection": {"all": True}, "dry_run": True},
        {"selection": {"group": CANARY}, "expect": 2},
    ],
    "POST /api/v1/queues/{name}:pause": lambda a: [{}],
    "POST /api/v1/queues/{name}:purge": lambda a: [{"expect": 9}, {"dry_run": True}],
    "PUT /api/v1/policies/{class}": lambda a: [{"retries": 1, "back_off": "none"}],
    "POST /api/v1/targets:check": lambda a: [{"targets": [{"kind": "host", "host": "127.0.0.1"}]}],
    "POST /api/v1/scan-rules": lambda a: [{"effect": "deny", "what": "10.9.9.9"}],
    "POST /api/v1/auth/login": lambda a: [{"email": "nobody@example.org", "password": "correct-horse", "org": A}],
    "POST /api/v1/auth/session": lambda a: [{"email": "nobody@example.org", "password": "correct-horse", "org": A}],
    "POST /api/v1/auth/refresh": lambda a: [{"refresh_token": CANARY}],
    "POST /api/v1/auth/logout": lambda a: [{"everywhere": True}],
    "POST /api/v1/auth/switch": lambda a: [{"org": A}],
    "POST /api/v1/auth/password": lambda a: [{"current": "correct-horse", "new": "battery-staple-9"}],
    "POST /api/v1/orgs": lambda a: [{"id": A, "name": "Taken"}],
    "PATCH /api/v1/orgs/{org_id}": lambda a: [{"name": "Taken"}],
    "POST /api/v1/members": lambda a: [{"email": "nobody@example.org", "role": "viewer"}],
    "POST /api/v1/invitations": lambda a: [
        {"email": "nobody@example.org"},
        {"email": "nobody@example.org", "role": "owner"},
    ],
    "POST /api/v1/invitations/accept": lambda a: [{"token": CANARY, "password": "battery-staple-9"}],
    "PATCH /api/v1/members/{user_id}": lambda a: [{"role": "viewer"}],
    "PATCH /api/v1/jobs/{id}": lambda a: [{"tags": {"a": "b"}}],
    "PATCH /api/v1/quota": lambda a: [{"jobs_per_hour": 1000}],
    "PATCH /api/v1/quota/members/{user_id}": lambda a: [{"jobs_per_hour": 1}],
    "POST /api/v1/users": lambda a: [{"email": "b@example.org", "org": A}],
    "PATCH /api/v1/users/{user_id}": lambda a: [{"disabled": True}, {"reset_password": True}],
    "POST /api/v1/api-keys": lambda a: [{"name": "b", "role": "viewer"}],
    "POST /api/v1/api-keys/{key_id}:rotate": lambda a: [{"overlap_s": 0}],
}

# Values of parameters of a path that name no thing of an organisation.
IDS = frozenset({"id", "org_id", "user_id", "key_id", "invitation_id"})
NAMES = {"trace_id": [KNOWN_TRACE], "name": ["scan"], "class": ["temporary"], "format": ["html", "json", "pdf"]}

AUDIT = "/api/v1/audit"  # tells B what B was refused, with the ids that B had asked for

# Streams do not end by themselves: who proves there that nothing of another organisation is told.
ELSEWHERE = {
    "GET /api/v1/events": "tests/gateway/test_isolation_live.py::test_a_stream_of_b_tells_nothing_of_a",
    "WS /ws": "tests/gateway/test_isolation_live.py::test_a_socket_of_b_tells_nothing_of_a",
    "WS /ws/jobs/{id}": "tests/gateway/test_isolation.py::test_the_socket_of_a_job_is_closed_to_others",
    "WS /ws/system": "tests/gateway/test_isolation_live.py::"
    "test_the_socket_of_the_earlier_systems_tells_b_nothing_of_a",
}


@dataclass(frozen=True)
class Route:
    """One way in. `key` is its name here."""

    method: str
    path: str
    has_body: bool
    queries: tuple[str, ...]
    parameters: tuple[str, ...]
    needs: frozenset[Permission] = frozenset()

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


def routes(app: FastAPI) -> Iterator[Route]:
    """Every route of the application, those of routers too."""
    pending = list(app.routes)
    while pending:
        one: Any = pending.pop(0)
        if isinstance(one, APIRoute):
            queries = tuple(each.alias for each in one.dependant.query_params)
            for method in sorted(one.methods):
                parameters = tuple(each.alias for each in one.dependant.path_params)
                needs = frozenset(
                    each.call.permission for each in one.dependant.dependencies if hasattr(each.call, "permission")
                )
                yield Route(method, one.path, one.body_field is not None, queries, parameters, needs)
        elif isinstance(one, APIWebSocketRoute):
            yield Route("WS", one.path, False, (), ())
        else:
            pending += one.original_router.routes


@pytest.fixture
def of_a(make_job: Callable[..., str], bury: Callable[..., str], fresh_settings: pytest.MonkeyPatch) -> Foreign:
    fresh_settings.setenv("VEDETTE_REQUESTS_PER_MINUTE", "100000")  # every route is tried with every id
    settings.cache_clear()
    return foreign.found(make_job, bury)


@pytest.fixture
def as_b(app: FastAPI, of_a: Foreign) -> Iterator[TestClient]:
    """A client with the API key of an owner of B."""
    with TestClient(app, base_url=HERE, headers=foreign.bearer(B), raise_server_exceptions=False) as client:
        yield client


def test_every_route_is_tried() -> None:
    every = {route.key: route for route in routes(create_app(TOKEN, HOSTS))}
    untried = [key for key, route in every.items() if key not in ELSEWHERE and not _is_known(route)]
    assert not untried, "say in this file how organisation B tries them"
    assert {*BODIES, *ELSEWHERE} <= set(every), "gone"
    for test in ELSEWHERE.values():
        path, _, name = test.partition("::")
        assert f"def {name}(" in (Path(__file__).parents[2] / path).read_text(encoding="utf-8"), test


@both_databases
def test_nothing_of_another_organisation_is_found_or_changed(app: FastAPI, as_b: TestClient, of_a: Foreign) -> None:
    before = foreign.rows()
    assert all(before.values()), "A has something of everything"
    for route in routes(app):
        if route.key not in ELSEWHERE:
            for url, body in _tries(route, of_a):
                _try(as_b, route, url, body, of_a)
    assert foreign.rows() == before


def test_what_a_has_is_there_for_a_alone(as_b: TestClient, of_a: Foreign) -> None:
    headers = foreign.bearer(A)
    for path in (
        "/jobs",
        "/dlq",
        "/dlq/export",
        "/dlq/rules",
        "/scan-rules",
        "/operations",
        "/audit",
        "/members",
        "/invitations",
        "/reports",
    ):
        assert CANARY in as_b.get(f"/api/v1{path}", headers=headers).text, path
        assert CANARY not in as_b.get(f"/api/v1{path}").text, path
    for path in ("", "/findings", "/reports", "/reports/html", "/document", "/deliveries", "/timeline", "/trace"):
        asked = f"/api/v1/jobs/{of_a.jobs[0]}{path}"
        assert (as_b.get(asked, headers=headers).status_code, as_b.get(asked).status_code) == (200, 404), path


@both_databases
@pytest.mark.parametrize("form", ["tree", "spans", "otlp"])
def test_the_spans_of_a_are_there_for_a_alone(as_b: TestClient, of_a: Foreign, form: str) -> None:
    headers = foreign.bearer(A)
    for path in (f"/jobs/{of_a.jobs[0]}/trace", f"/traces/{KNOWN_TRACE}"):
        asked = f"/api/v1{path}?format={form}"
        assert CANARY in as_b.get(asked, headers=headers).text
        assert as_b.get(asked).status_code == 404


def test_a_header_does_not_lead_to_another_organisation(as_b: TestClient, of_a: Foreign) -> None:
    before = foreign.rows()
    for name in ("Vedette-Organisation", "vedette-organisation"):
        answer = as_b.get("/api/v1/jobs", headers={name: A})
        assert (answer.status_code, CANARY in answer.text) == (403, False)
    assert foreign.rows() == before


def test_the_key_of_a_repeated_request_is_of_one_organisation(as_b: TestClient, of_a: Foreign) -> None:
    body = {"target": {"kind": "host", "host": "127.0.0.1"}}
    headers = {"Idempotency-Key": "the-same-for-both"}
    of_both = [
        as_b.post("/api/v1/jobs", json=body, headers=headers | more).json()["jobs"][0]["id"]
        for more in (foreign.bearer(A), {})
    ]
    assert of_both[0] != of_both[1]
    assert as_b.get(f"/api/v1/jobs/{of_both[0]}").status_code == 404


def test_the_socket_of_a_job_is_closed_to_others(as_b: TestClient, of_a: Foreign) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        as_b.websocket_connect(f"ws://127.0.0.1/ws/jobs/{of_a.jobs[0]}"),
    ):
        pass
    assert (refused.value.status_code, CANARY in refused.value.text) == (404, False)


def _is_known(route: Route) -> bool:
    is_named = set(route.parameters) <= {*IDS, *NAMES}
    return is_named and route.method != "WS" and (not route.has_body or route.key in BODIES)


def _tries(route: Route, of_a: Foreign) -> Iterator[tuple[str, Any]]:
    paths = [route.path]
    for name in route.parameters:
        values = NAMES.get(name) or ([A] if name == "org_id" else sorted(of_a.ids))
        paths = [path.replace(f"{{{name}}}", value) for path in paths for value in values]
    for path in paths:
        for query in _queries(route, of_a):
            for body in BODIES[route.key](of_a) if route.has_body else [None]:
                yield f"{path}{query}", body


def _queries(route: Route, of_a: Foreign) -> list[str]:
    asked = {"batch_id": of_a.batch, "q": f"id:{of_a.jobs[0][-8:]}", "state": "open", "group": CANARY}
    known = asked if not IDS & set(route.parameters) else {}
    return ["", *(f"?{name}={value}" for name, value in known.items() if name in route.queries)]


def _try(client: TestClient, route: Route, url: str, body: Any, of_a: Foreign) -> None:
    given: dict[str, Any] = {"json": body} if body is not None else {}
    answer = client.request(route.method, url, **given)
    sent = f"{url} {json.dumps(body)}"
    said = f"{answer.text} {dict(answer.headers)}"
    marks = {CANARY} if route.path.startswith(AUDIT) else {CANARY, *of_a.ids}
    told = [mark for mark in marks if mark in said and mark not in sent]
    assert not told, f"{route.method} {sent} tells of A: {said[:500]}"
    if not route.needs <= permitted(Role.OWNER):
        assert answer.status_code == 403, f"{route.method} {sent}: {answer.status_code} {answer.text[:300]}"
    elif IDS & set(route.parameters):
        assert answer.status_code == 404, f"{route.method} {sent}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code < 500, f"{route.method} {sent}: {answer.status_code} {answer.text[:300]}"
