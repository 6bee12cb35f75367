"""Attributes of spans as they are shown: none that carries a secret by its nature, and no text with one in it.

Whoever makes a span writes no secrets into it; this holds where a library, or a plug-in, did.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from shared.telemetry.lines import beginning

LONGEST = 1000  # characters of one value

_SECRET = re.compile(
    r"authorization|cookie|passw|secret|credential|token|api[_.-]?key|private[_.-]?key|url\.query|signature",
    re.IGNORECASE,
)


def shown(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes without those that are secrets by their name, and with the others as `plain`."""
    return {name: _plain(value) for name, value in attributes.items() if not _is_secret(name)}


@lru_cache(5000)  # most values are the same in many spans
def plain(text: str) -> str:
    """Return the beginning of a text, without what looks like a secret."""
    return beginning(text, LONGEST)


@lru_cache(1000)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _plain(value: Any) -> Any:  # noqa: ANN401  plain data
    if isinstance(value, str):
        return plain(value)
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
