"""Every error as RFC 9457 `application/problem+json`: ours, the framework's and the unexpected ones.

What a client sent is never echoed by the validation of a body, and an unexpected error says nothing but its trace id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared import telemetry
from shared.contracts.problems import FieldError, Problem
from shared.errors import External, FailureClass, InvalidInput, VedetteError, classify
from shared.store.engine import DatabaseAway

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5  # about the time a worker, a broker or a database needs to come back
MAX_ERRORS = 50  # bad fields named in one answer
_MAX_DETAIL = 500  # characters


class InvalidRequest(InvalidInput):
    """Several fields are wrong, each named in `errors`."""

    def __init__(self, message: str, errors: Sequence[FieldError], *, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.errors = list(errors)[:MAX_ERRORS]


class Unsupported(InvalidInput):
    """The body is not JSON."""

    status = 415

    @property
    def code(self) -> str:
        return "unsupported-media-type"


def answer(exc: Exception) -> Response:
    """Return the response that tells of `exc`."""
    if isinstance(exc, RequestValidationError):
        return _validation(exc)
    if isinstance(exc, HTTPException):
        return _http(exc)
    if isinstance(exc, VedetteError):
        return _ours(exc)
    return _unexpected(exc)


def respond(problem: Problem, headers: Mapping[str, str] | None = None, **extension: object) -> Response:
    """Return `problem` as a response. `extension` are members of RFC 9457, section 3.2."""
    body = problem.model_copy(update={"trace_id": telemetry.trace_id()}).model_dump()
    content = _Extended.model_validate({**body, **extension}).model_dump_json()
    return Response(content, problem.status, headers, MEDIA_TYPE)


def pointer(parts: Sequence[str | int]) -> str:
    """Return the RFC 6901 pointer made of `parts`, which a client may have chosen: it stays short and printable."""
    texts = (str(part).encode("utf-8", "replace").decode()[:64] for part in parts)
    return "".join("/" + text.replace("~", "~0").replace("/", "~1") for text in texts)


class _Extended(Problem, extra="allow"):
    pass


def _ours(exc: VedetteError) -> Response:
    errors = getattr(exc, "errors", [])
    if isinstance(exc, InvalidInput) and exc.pointer:
        errors = [FieldError(pointer=exc.pointer, detail=exc.message)]
    retryable = exc.policy.retries > 0
    problem = Problem(
        title=phrase(exc.status),
        status=exc.status,
        detail=_told(exc),
        code=exc.code,
        cure=exc.cure,
        retryable=retryable,
        errors=errors,
    )
    if exc.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("gateway.request.refused", error=exc.code, message=exc.message)
    wait_s = exc.retry_after_s if isinstance(exc, External) and exc.retry_after_s else RETRY_AFTER_S
    headers = {"Retry-After": str(round(wait_s))} if retryable else {}
    headers |= getattr(exc, "headers", {})
    return respond(problem, headers, **getattr(exc, "extension", {}))


def _told(exc: VedetteError) -> str:
    # The driver's own words name hosts, users and files.
    text = "The database does not answer." if isinstance(exc, DatabaseAway) else exc.message
    return _printable(text)


def _http(exc: HTTPException) -> Response:
    code, detail, cure = _HTTP.get(exc.status_code, ("http-error", str(exc.detail), ""))
    problem = Problem(
        title=phrase(exc.status_code), status=exc.status_code, detail=_printable(detail), code=code, cure=cure
    )
    return respond(problem, exc.headers)


_OPENAPI = "The routes are listed at /api/v1/openapi.json."
_HTTP: dict[int, tuple[str, str, str]] = {
    400: ("malformed-body", "The body cannot be read as JSON.", "Send one JSON object, not nested deeper than needed."),
    404: ("no-such-route", "There is nothing at this path.", _OPENAPI),
    405: ("method-not-allowed", "This path does not answer to this method.", "`Allow` lists those that it answers to."),
    413: ("body-too-large", "The body is larger than 1 MiB, or for bulk 4 MiB.", "Send it in several requests."),
}


def _validation(exc: RequestValidationError) -> Response:
    found = exc.errors()
    if isinstance(exc.body, bytes) and exc.body:
        return _ours(
            Unsupported("The body is not declared as JSON.", cure="Send it with `Content-Type: application/json`.")
        )
    if any(error["type"] == "json_invalid" for error in found):
        why = f"{found[0].get('ctx', {}).get('error', 'error')} at character {found[0]['loc'][-1]}"
        return respond(
            Problem(
                title=phrase(400),
                status=400,
                code="malformed-json",
                detail=f"The body is not valid JSON: {why}.",
            )
        )
    errors = [_field(error) for error in found]
    return _ours(InvalidRequest(f"{errors[0].pointer} {errors[0].detail}".strip(), errors))


def _field(error: Mapping[str, Any]) -> FieldError:
    where, *path = error["loc"]
    said = _printable(str(error["msg"]).removeprefix("Value error, "))
    if where == "body":
        return FieldError(pointer=pointer(path), detail=said)
    return FieldError(pointer="", detail=f"{where} parameter {'.'.join(str(part) for part in path)}: {said}")


def _unexpected(exc: Exception) -> Response:
    if classify(exc) in {FailureClass.PERMANENT, FailureClass.SECURITY}:
        log.error("gateway.request.failed", error=type(exc).__name__, exc_info=exc)
        detail, cure = "Something failed inside the gateway.", "This is a bug: please report it with the trace id."
        return respond(Problem(title=phrase(500), status=500, code="internal", detail=detail, cure=cure))
    log.error("gateway.request.unavailable", error=type(exc).__name__, exc_info=exc)
    detail, cure = "The gateway lacks something that it needs just now.", "Try again in a moment."
    problem = Problem(title=phrase(503), status=503, code="unavailable", detail=detail, cure=cure, retryable=True)
    return respond(problem, {"Retry-After": str(RETRY_AFTER_S)})


def phrase(status: int) -> str:
    """Return RFC 9110's name of a status, which Python knows only from 3.13 on."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:_MAX_DETAIL]
