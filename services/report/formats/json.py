"""JSON: the report document itself, whole, with observations and raw evidence. Schema: `schema/report-1.schema.json`.

Keys stand in the order of the schema, keys of free objects in that of the alphabet. No character is written raw that
could steer a terminal or turn the reading direction, so `cat report.json` is safe.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from shared.contracts.report import ReportDocument

MEDIA_TYPE = "application/json"
EXTENSION = "json"

_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def render(document: ReportDocument) -> bytes:
    text = json.dumps(_plain(document), ensure_ascii=False, allow_nan=False, indent=2)
    return (_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n").encode()


def _plain(value: Any) -> Any:  # noqa: ANN401  observations carry any JSON
    """Return `value` as JSON types. What JSON cannot say is replaced: NaN by null, lone surrogates by U+FFFD."""
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    return value if isinstance(value, (bool, int, float)) else to_jsonable_python(value, fallback=str)
