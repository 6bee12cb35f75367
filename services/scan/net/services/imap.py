"""IMAP: greeting and capabilities, STARTTLS (RFC 9051)."""

from __future__ import annotations

import contextlib

from services.scan.net.answer import Dial, NotSpoken, Service, clean, cleaned
from services.scan.net.connection import Connection, Lost
from services.scan.net.product import in_greeting

PORTS = frozenset({143})
TLS_PORTS = frozenset({993})
GREETS = True

GREETING_WAIT = 6.0  # seconds; the server may look up the client's name first
MAX_LINES = 20


def recognises(heard: bytes) -> bool:
    return heard.startswith((b"* OK", b"* PREAUTH", b"* BYE"))


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    greeting = await conn.line(wait=GREETING_WAIT)
    if not recognises(greeting.encode("latin-1")):
        raise NotSpoken("No IMAP greeting.")
    product, version = in_greeting(greeting)
    details: dict[str, object] = {"greeting_name": clean(greeting.rpartition("]")[2].removeprefix("* OK"))}
    if greeting.startswith("* BYE"):
        return Service("imap", product, version, details)
    with contextlib.suppress(Lost):
        capabilities = parse_capabilities(await _command(conn, "CAPABILITY"))
        details |= {"capabilities": capabilities, "starttls": "STARTTLS" in capabilities}
    return Service("imap", product, version, details)


async def starttls(conn: Connection) -> None:
    await conn.line(wait=GREETING_WAIT)
    await _command(conn, "STARTTLS")


def parse_capabilities(lines: list[str]) -> list[str]:
    """Return the capabilities in an answer's untagged lines, in upper case."""
    for line in lines:
        words = line.upper().split()
        if words[:2] == ["*", "CAPABILITY"]:
            return cleaned(words[2:])
    return []


async def _command(conn: Connection, command: str) -> list[str]:
    """Send one command; return its untagged lines. Raises NotSpoken unless it is answered with OK."""
    await conn.send(f"v1 {command}\r\n".encode())
    lines: list[str] = []
    for _ in range(MAX_LINES):
        line = await conn.line()
        if line.startswith("v1 "):
            if line[3:5].upper() != "OK":
                raise NotSpoken(f"{command} was refused.")
            return lines
        lines.append(line)
    raise NotSpoken(f"{command} was not answered within {MAX_LINES} lines.")
