"""What a probe gives back, and the errors and cleaning that all probes share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from services.scan.net.connection import Connection
from services.scan.net.cookie import without_values
from shared.contracts.observation import MAX_EVIDENCE, Evidence
from shared.errors import Permanent

Dial = Callable[[], Awaitable[Connection]]  # opens one more connection to the same port, in the same way

LONGEST = 200  # characters of one fact, e.g. a product or a title
MOST_ITEMS = 100  # items of one list, e.g. capabilities


class NotSpoken(Permanent):
    """The bytes are not of this protocol. The next probe is tried."""


@dataclass(frozen=True)
class Page:
    """One answer to `GET /`. Header names are lower case; cookies have no values; `title` is plain text."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    title: str = ""


@dataclass(frozen=True)
class Service:
    """What answers on a port. Keys of `details`: see ServiceFacts. `page` is set where it is a web server."""

    name: str
    product: str = ""
    version: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    page: Page | None = None


def evidence(source: str, data: bytes) -> Evidence:
    """Return `data` made printable: UTF-8 where it is, control characters and other bytes as `\\xNN`.

    Values of cookies are left out: they may be sessions.
    """
    data = without_values(data)
    text = "".join(map(_printable, data[: MAX_EVIDENCE + 1].decode("utf-8", "backslashreplace")))
    return Evidence(source=source, text=text[:MAX_EVIDENCE], truncated=len(text) > MAX_EVIDENCE)


def clean(text: str, limit: int = LONGEST) -> str:
    """Return untrusted `text` as one line without control characters, at most `limit` characters."""
    words = "".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split()
    return " ".join(words)[:limit]


def cleaned(items: list[str]) -> list[str]:
    """Return the non-empty `items`, each cleaned, at most `MOST_ITEMS` of them."""
    return [text for item in items[:MOST_ITEMS] if (text := clean(item))]


def _printable(char: str) -> str:
    if char.isprintable() or char in "\n\t":
        return char
    code = ord(char)
    return "" if char == "\r" else f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
