"""Attributes of spans as they are shown: none that carries a secret by its nature, no secret in an address.

Whoever makes a span writes no secrets into it; this holds where a library, or a plug-in, did.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

LONGEST = 1000  # characters of one value

_SECRET = re.compile(
    r"authorization|cookie|passw|secret|credential|token|api[_.-]?key|private[_.-]?key|url\.query|x-signature",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s/?#@\"']*@)?([^\s?#\"']*)([?#][^\s\"']*)?", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic|token)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_OURS = re.compile(r"\bvdt_\w+")


def shown(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes without those that are secrets by their name, and with the others as `plain`."""
    return {name: _plain(value) for name, value in attributes.items() if not _is_secret(name)}


def plain(text: str) -> str:
    """Return a text in which addresses have no user and no query, and credentials are `…`."""
    if "://" in text:
        text = _ADDRESS.sub(lambda found: f"{found[1]}{found[3]}{'?…' if found[4] else ''}", text)
    if " " in text:
        text = _BEARER.sub(r"\1 …", text)
    if "vdt_" in text:
        text = _OURS.sub("vdt_…", text)
    return text[:LONGEST]


@lru_cache(1000)  # names are few, and the same in all spans
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _plain(value: Any) -> Any:  # noqa: ANN401  plain data
    if isinstance(value, str):
        return plain(value)
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
