"""Messages as they lie in a queue, sealed and signed as a producer of the app does it."""

from __future__ import annotations

import base64
import json
from typing import Any

from shared import codec


def sealed(message: dict[str, Any], job_id: str | None = None, org_id: str | None = None) -> dict[str, Any]:
    """Return a plain message sealed. Its owner is that of its envelope, unless it is given."""
    plain = base64.b64decode(message["body"])
    owner = _owner(plain)
    headers = dict(message["headers"])
    body = codec.seal(plain, headers, owner[0] if job_id is None else job_id, owner[1] if org_id is None else org_id)
    return {
        **message,
        "body": base64.b64encode(body).decode(),
        "content-type": codec.SEALED,
        "content-encoding": "binary",
        "headers": headers,
        "properties": {**message["properties"], "body_encoding": "base64"},
    }


def as_sent(message: object) -> object:
    """Return a plain JSON message sealed; what no producer could have sealed is returned as it is."""
    if not isinstance(message, dict) or message.get("content-type") != codec.JSON:
        return message
    properties, headers = message.get("properties"), message.get("headers")
    is_base64 = isinstance(properties, dict) and properties.get("body_encoding") == "base64"
    if not is_base64 or not isinstance(headers, dict) or not isinstance(message.get("body"), str):
        return message
    try:
        return sealed(message)
    except ValueError:  # no base64
        return message


def _owner(plain: bytes) -> tuple[str, str]:
    try:
        envelope = json.loads(plain)[0][0]
        return str(envelope["job_id"]), str(envelope["org_id"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return "", ""
