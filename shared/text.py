"""Text of strangers, made fit to keep: no NUL for PostgreSQL, no half of a surrogate pair. And words for people."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # not the six letters after a backslash that is itself escaped
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# A formula sign at the start of a cell, or where a reader with another separator would start one; full-width and
# other forms are normalised to the plain sign by some spreadsheets.
_FORMULA = re.compile("(^|[;\t\r\n])((?:[^\\S\t\r\n]|[\"'\u200b-\u200d\ufeff])*)(?=[-=+@＝＋－＠﹦﹢﹣﹫−])")
REPLACEMENT = "\ufffd"


def kept(text: str) -> str:
    """Return `text` with U+FFFD for what cannot be stored; the same on every database."""
    return _UNKEPT.sub(REPLACEMENT, text)


def inert(text: str) -> str:
    """Return `text` in one line, with escapes for what would steer a terminal or turn the reading direction."""
    return _STEERING.sub(lambda found: repr(found[0])[1:-1], text)


def cell(text: str) -> str:
    """Return `text` for a cell of a CSV file, with an apostrophe before what a spreadsheet would run as a formula.

    Source: OWASP, CSV Injection.
    """
    return _FORMULA.sub(r"\1'\2", text)


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


def spell(seconds: float) -> str:
    """Return a length of time for people: `0.4 s`, `41 s`, `6 m 12 s`, `3 h 5 m`, `2 d 4 h`."""
    whole = max(round(seconds), 0)
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def clock(at: datetime) -> str:
    """Return a moment for people: the time in UTC, with its date where that is not today."""
    at = at.astimezone(UTC)
    today = datetime.now(UTC).date()
    return f"{at:%H:%M:%S} UTC" if at.date() == today else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def plural(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
