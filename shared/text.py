"""Text of strangers, made fit to keep: PostgreSQL takes no NUL, and nothing takes half a surrogate pair."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # not the six letters after a backslash that is itself escaped
REPLACEMENT = "\ufffd"


def kept(text: str) -> str:
    """Return `text` with U+FFFD for what cannot be stored; the same on every database."""
    return _UNKEPT.sub(REPLACEMENT, text)


def as_json(value: object) -> str:
    """Return `value` as JSON that every database takes: no NUL and no surrogates in it, null for NaN and infinities."""
    try:
        document = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        document = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in document:
        document = _ESCAPED_NUL.sub(rf"\g<1>{REPLACEMENT}", document)
    return document if document.isascii() else kept(document)


def _finite(value: Any) -> Any:  # noqa: ANN401  whatever JSON can hold
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
