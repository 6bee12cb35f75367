"""Bytes of strangers made safe to look at: nothing invisible, nothing that reorders or controls its surroundings.

Escaping for HTML, CSV or a terminal is not done here; that is the format's work. Sources: Unicode 16 general
categories Cc and Cf, UTS 55 (source code spoofing).
"""

from __future__ import annotations

import re

MAX_LINE = 300  # characters of a value shown in one line
_NAMES = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)
# C0 but tab and line feed, C1, soft hyphen, bidirectional and invisible format characters, tags, surrogates.
# The joiners U+200C and U+200D stay: Persian and emoji need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
_STACKED = re.compile(f"([{_MARKS}]{{3}})[{_MARKS}]+")  # marks piled up until they cover other lines


def line(text: str, limit: int = MAX_LINE) -> str:
    """Return `text` in one line of at most `limit` characters; white space is folded, hidden characters are named."""
    # Cut before the costly part: naming a character lengthens, never shortens.
    return _cut(_named(" ".join(text[: limit * 8].split())), limit)


def block(text: str, limit: int | None = None) -> str:
    """Return `text` with its lines and tabs kept and every other hidden character named, e.g. ‹ESC›."""
    return _cut(_named(text.replace("\r\n", "\n")), limit)


def _named(text: str) -> str:
    return _HIDDEN.sub(_name, _STACKED.sub(r"\1", text))


def _name(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"‹{_NAMES[code]}›" if code < len(_NAMES) else f"‹U+{code:04X}›"


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else text[: max(limit - 1, 0)] + "…"
