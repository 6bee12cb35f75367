"""What the document of the API says holds of the running gateway: statuses, content types and shapes."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    Failure,
    FailureGroup,
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from gateway import openapi
from gateway.app import create_app
from tests.gateway.driving import BEARER, TOKEN, Served, finish

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6  # of each operation; a failure is shown as it came
STREAMS = {"/api/v1/events", "/api/v1/jobs/{id}/events"}  # they do not end
SCHEMA = schemathesis.openapi.from_dict(openapi.document(create_app(TOKEN)))
ORDER = ("get", "post", "put", "patch", "delete")  # what there is, is looked at before it is changed
OPERATIONS = sorted(
    (each.ok() for each in SCHEMA.get_all_operations() if each.ok().path not in STREAMS),
    key=lambda operation: ORDER.index(operation.method),
)
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}


def _known(served: Served) -> dict[str, str]:
    """Return ids that are there, so that not all is a 404."""
    over, waits = (served.http.post("/api/v1/jobs", json=JOB).json()["jobs"][0]["id"] for _ in range(2))
    finish(over)
    return {"id": over, "name": "scan", "format": "json", "class": "external", "other": waits}


def test_every_answer_is_as_documented(served: Served) -> None:
    known = _known(served)
    base_url = str(served.http.base_url).rstrip("/")
    wrong: list[str] = []
    for operation in OPERATIONS:
        wrong += _failures(operation, base_url, known)
    assert not wrong, "\n\n".join(wrong)


def _failures(operation: Any, base_url: str, known: dict[str, str]) -> list[str]:
    found: list[str] = []

    @BOUNDED
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        for parameters in ({}, known):
            case.path_parameters = {
                name: parameters.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
            answer = case.call(base_url=base_url, headers=BEARER, timeout=20)
            try:
                case.validate_response(answer, checks=CHECKS)
            except (FailureGroup, Failure) as exc:
                found.append(f"{operation.label} {answer.status_code}: {exc}"[:1500])

    run()
    return found[:1]
