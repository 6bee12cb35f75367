"""The little of BSON (bsonspec.org 1.1) that a greeting needs: numbers, booleans, strings, documents."""

from __future__ import annotations

import struct
from typing import Any

from shared.errors import Permanent

DEEPEST = 20  # nested documents
_SIZES = {0x06: 0, 0x07: 12, 0x09: 8, 0x0A: 0, 0x11: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_NUMBERS = {0x01: "<d", 0x08: "<?", 0x10: "<i", 0x12: "<q"}


class Damaged(Permanent):
    """The bytes are no BSON document."""


def encode(document: dict[str, int | bool | str]) -> bytes:
    """Return `document` as BSON. Integers are 32 bits wide."""
    body = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def decode(data: bytes) -> dict[str, Any]:
    """Return the document at the beginning of `data`; values of types not needed here are left out. Raises Damaged."""
    try:
        return _document(data, 0, 0)[0]
    except (struct.error, IndexError, ValueError) as exc:
        raise Damaged("The BSON document ends early.") from exc


def _element(name: str, value: int | bool | str) -> bytes:
    key = name.encode() + b"\0"
    if isinstance(value, bool):
        return b"\x08" + key + struct.pack("<?", value)
    if isinstance(value, int):
        return b"\x10" + key + struct.pack("<i", value)
    text = value.encode() + b"\0"
    return b"\x02" + key + struct.pack("<i", len(text)) + text


def _document(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    if depth > DEEPEST:
        raise Damaged(f"Documents nested deeper than {DEEPEST}.")
    at += 4
    found: dict[str, Any] = {}
    while (kind := data[at]) != 0:
        end = data.index(b"\0", at + 1)
        name = data[at + 1 : end].decode("utf-8", "replace")
        value, at = _value(kind, data, end + 1, depth)
        if value is not None:
            found[name] = value
    return found, at + 1


def _value(kind: int, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if form := _NUMBERS.get(kind):
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if kind in (0x02, 0x05, 0x0D, 0x0E):
        size: int = struct.unpack_from("<i", data, at)[0]
        if size < 0 or at + 4 + size > len(data):
            raise Damaged("A string longer than its document.")
        if kind == 0x05:
            return None, at + 5 + size
        return data[at + 4 : at + 3 + size].decode("utf-8", "replace"), at + 4 + size
    if kind in (0x03, 0x04):
        return _document(data, at, depth + 1)
    if kind in _SIZES:
        return None, at + _SIZES[kind]
    raise Damaged(f"A value of unknown type {kind:#x}.")
