"""The headers of answers that clients work with, as the document of the API tells of them.

What every answer has whatever it is about (`gateway.edge`) is left to the document's description.
"""

from __future__ import annotations

from typing import Any

Headers = dict[str, dict[str, str]]


def named(*names: str) -> Headers:
    """Return the documentation of an answer that may have these headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def components() -> dict[str, Any]:
    """Return what `named` refers to."""
    return {name: {"description": said, "schema": schema} for name, (said, schema) in _KNOWN.items()}


def of_success(method: str, operation: dict[str, Any], status: int) -> Headers:
    """Return the headers that an operation's answer below 400 may have, whatever the operation is about."""
    answers = operation["responses"]
    found = [*_OF_CALLERS] if "security" in operation else []
    if method == "get" and (status == 304 or _is_json(answers[str(status)])):
        found += ["ETag"]
    if "202" in answers:
        found += ["Location"] + ["Retry-After"] * (status == 202)
    if any(each.get("name") == "prefer" for each in operation.get("parameters", [])):
        found += ["Preference-Applied"]
    if method == "post":
        found += ["Idempotency-Replayed"]
    return named(*found)


def of_problem(status: int) -> Headers:
    """Return the headers that problems of a status may have."""
    found = [name for name, statuses in _OF_PROBLEMS.items() if status in statuses]
    return named(*_OF_CALLERS, *found)


def is_tagged(operation: dict[str, Any]) -> bool:
    """Whether an answer to this GET has an ETag, so that who has it already is told so (304)."""
    return _is_json(operation["responses"].get("200", {}))


def _is_json(answer: dict[str, Any]) -> bool:
    return "application/json" in answer.get("content", {})


_OF_CALLERS = ("RateLimit", "RateLimit-Policy")
_OF_PROBLEMS = {
    "WWW-Authenticate": {401},
    "Retry-After": {409, 429, 502, 503, 507},
    "Idempotency-Replayed": {400, 403, 404, 409, 412, 415, 422},  # of those that would be the same again
}
_TEXT = {"type": "string"}
_KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "Content-Disposition": ("The name of the file (RFC 6266).", _TEXT),
    "ETag": ("The state of what is shown, for `If-None-Match` and `If-Match`. Longer answers have none.", _TEXT),
    "Idempotency-Replayed": ("That the answer is that of an earlier request with this key.", {"const": "true"}),
    "Location": ("Where what was begun is. Each 202 has it.", {"type": "string", "format": "uri-reference"}),
    "Preference-Applied": ("How long the answer waited at most.", {"type": "string", "pattern": "^wait=[0-9]+$"}),
    "RateLimit": (
        "Requests that are left (`r`), and seconds until there are more (`t`); of callers that have a limit.",
        {"type": "string", "pattern": '^"minute";r=[0-9]+;t=[0-9]+$'},
    ),
    "RateLimit-Policy": (
        "Requests that are allowed (`q`) in so many seconds (`w`).",
        {"type": "string", "pattern": '^"minute";q=[0-9]+;w=[0-9]+$'},
    ),
    "Retry-After": (
        "Seconds until asking again is worth it. Each 202, 429 and 503 has it.",
        {"type": "integer", "minimum": 0},
    ),
    "Set-Cookie": ("The session of a browser, or its end.", _TEXT),
    "WWW-Authenticate": ("How to say who you are (RFC 6750). Each 401 has it.", _TEXT),
}
