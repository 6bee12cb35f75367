"""The OpenAPI document: `python -m gateway.openapi` prints it, `gateway/openapi.json` keeps it, a test compares."""

from __future__ import annotations

import json
import sys
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, create_model

from gateway import headers
from gateway.problems import MEDIA_TYPE, phrase
from shared import registry
from shared.contracts.live import LiveMessage, LiveRequest
from shared.contracts.problems import Problem

REF = "#/components/schemas/{model}"
DESCRIPTION = """Every error is RFC 9457 `application/problem+json`. Times are RFC 3339 in UTC, durations seconds.
Answers name their trace in `traceparent` (W3C Trace Context).
Every path but `/livez`, `/readyz` and `/version` needs `Authorization: Bearer <token>`.
Bodies may have 1 MiB, those of bulk routes 4 MiB."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of routes that answer with problems of these statuses."""
    schema = {"$ref": ref("Problem")}
    content = {MEDIA_TYPE: {"schema": schema}}
    return {status: {"description": phrase(status), "content": content} for status in statuses}


def operation_id(route: APIRoute) -> str:
    """Return the name that generated clients give to an operation."""
    return route.name


def ref(model: str) -> str:
    """Return the reference to a model in the document."""
    return REF.format(model=model)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of `app`, with problems and the kinds of targets in it; and remember it."""
    if not app.openapi_schema:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        live = _schemas(LiveMessage) | _schemas(LiveRequest)  # of the WebSocket, which OpenAPI cannot describe
        schemas = live | made["components"]["schemas"] | _schemas(Problem) | _targets()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["components"]["schemas"] = schemas
        made["components"]["parameters"] = {"IdempotencyKey": _IDEMPOTENCY_KEY}
        made["components"]["headers"] = headers.components()
        made["components"]["responses"] = {}
        for path in made["paths"].values():
            for method, operation in path.items():
                _complete(method, operation)
                operation["responses"] = _described(method, operation, made["components"]["responses"])
        app.openapi_schema = made
    return app.openapi_schema


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add what any route may answer, whatever it is about: what the door and its middleware say."""
    said = set(_EVERYWHERE)
    if "requestBody" in operation:
        said |= {408, 413, 415}
    if method == "post":
        said |= {409}
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    for status, response in problems(*sorted(said)).items():
        operation["responses"].setdefault(str(status), response)
    if method == "get" and headers.is_tagged(operation):
        operation["responses"].setdefault("304", {"description": "The answer has the ETag of `If-None-Match`"})


def _described(method: str, operation: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of an operation with their headers. Problems that say nothing of their own go to `shared`."""
    found = {}
    for text, answer in sorted(operation["responses"].items()):
        status = int(text)
        said = headers.of_problem(status) if status >= 400 else headers.of_success(method, operation, status)
        found[text] = {**answer, "headers": said | answer.get("headers", {})} if said else answer
        if answer == problems(status)[status]:
            name = phrase(status).replace(" ", "")
            shared[name] = found[text]
            found[text] = {"$ref": f"#/components/responses/{name}"}
    return found


_EVERYWHERE = (400, 401, 403, 421, 422, 429, 431, 500, 503)
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A text of your own: the same request with the same key is answered as before, and does nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def _targets() -> dict[str, Any]:
    """Return `Target`, the union of all kinds, and what it refers to. Each kind's model is `Target` at home."""
    named = {kind: f"{kind.title()}Target" for kind in registry.kinds()}
    found: dict[str, Any] = {}
    for kind, model in registry.kinds().items():
        found |= _schemas(create_model(named[kind], __base__=model, __doc__=model.__doc__))
    mapping = {kind: ref(name) for kind, name in named.items()}
    union = [{"$ref": place} for place in mapping.values()]
    return found | {"Target": {"oneOf": union, "discriminator": {"propertyName": "kind", "mapping": mapping}}}


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=REF)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def main() -> None:
    from gateway.app import create_app  # noqa: PLC0415  that module imports this one

    json.dump(document(create_app("documentation")), sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
