"""What the document of the API says holds of the running gateway: statuses, content types and shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    Failure,
    FailureGroup,
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway import edge, openapi
from gateway.app import create_app
from tests.gateway.driving import BEARER, TOKEN, Served
from tests.gateway.worldly import World
from tests.gateway.worldly_bodies import BODIES, OF_USERS, QUERIES, as_user

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
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
# Headers that any answer may have and no client needs to be told of, and those that answers of a status always have.
OF_ALL = {*edge.HEADERS, "connection", "content-length", "content-type", "date", "traceparent", "transfer-encoding"}
ALWAYS = {202: {"location", "retry-after"}, 304: {"etag"}, 401: {"www-authenticate"}, 429: {"retry-after"}}
# Operations that no request here can make succeed, and why.
NEVER = {"POST /api/v1/workers/scale": "always says 409 who does it instead"}


class Asker:
    """Asks for operations, and keeps what was not as documented."""

    def __init__(self, served: Served, world: World) -> None:
        self.world = world
        self.wrong: list[str] = []
        self._base_url = str(served.http.base_url).rstrip("/")

    def rightly(self, operation: Any) -> None:
        """Ask for what is there, with a body that is right."""
        label = operation.label
        given: dict[str, Any] = {"path_parameters": self.world.known(operation.method, operation.path)}
        if label in QUERIES:
            given["query"] = QUERIES[label]
        if label in BODIES:
            given |= {"body": BODIES[label](self.world), "media_type": "application/json"}
        answer = self._ask(operation.Case(**given), as_user(self.world) if label in OF_USERS else BEARER)
        if (answer.status_code < 300) == (label in NEVER):
            self.wrong.append(f"{label} {answer.status_code}: {answer.text[:300]}")

    def wildly(self, operation: Any) -> None:
        """Ask for what the document allows, of what is there and what is not."""
        known = self.world.known(operation.method, operation.path)

        @BOUNDED
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            self._ask(case, BEARER)
            if known:
                case.path_parameters = {**case.path_parameters, **known}
                self._ask(case, BEARER)

        run()

    def _ask(self, case: Any, headers: Mapping[str, str]) -> Any:
        answer = case.call(base_url=self._base_url, headers={**headers, "Sec-Fetch-Site": "same-origin"}, timeout=20)
        try:
            case.validate_response(answer, checks=CHECKS)
        except (FailureGroup, Failure) as exc:
            self.wrong.append(f"{case.operation.label} {answer.status_code}: {exc}"[:1500])
        self._check_headers(case.operation, answer)
        return answer

    def _check_headers(self, operation: Any, answer: Any) -> None:
        documented = operation.responses.find_by_status_code(answer.status_code)
        known = {name.lower() for name, _ in documented.headers.items()} if documented else set()
        sent = {name.lower() for name in answer.headers}
        untold, missing = sent - known - OF_ALL, ALWAYS.get(answer.status_code, set()) - sent
        if untold or missing:
            self.wrong.append(f"{operation.label} {answer.status_code}: {untold=} {missing=}")


def test_every_operation_succeeds_as_documented(served: Served, make_job: Callable[..., str]) -> None:
    asker = Asker(served, World(served, make_job))
    for operation in OPERATIONS:
        asker.rightly(operation)
    assert not asker.wrong, "\n\n".join(asker.wrong)


def test_every_answer_to_whatever_is_asked_is_as_documented(served: Served, make_job: Callable[..., str]) -> None:
    asker = Asker(served, World(served, make_job))
    for operation in OPERATIONS:
        asker.wildly(operation)
    assert not asker.wrong, "\n\n".join(asker.wrong)
