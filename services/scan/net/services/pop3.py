"""POP3: greeting and capabilities, STLS (RFC 1939, RFC 2449, RFC 2595)."""

from __future__ import annotations

import contextlib

from services.scan.net.answer import Dial, NotSpoken, Service, clean, cleaned
from services.scan.net.connection import Connection, Lost
from services.scan.net.product import in_greeting

PORTS = frozenset({110})
TLS_PORTS = frozenset({995})
GREETS = True

GREETING_WAIT = 6.0  # seconds; the server may look up the client's name first
MAX_LINES = 40


def recognises(heard: bytes) -> bool:
    return heard.startswith(b"+OK")


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    greeting = await _status(conn, GREETING_WAIT)
    product, version = in_greeting(greeting)
    details: dict[str, object] = {"greeting_name": clean(greeting)}
    with contextlib.suppress(Lost):
        capabilities = await _capabilities(conn)
        details["capabilities"] = capabilities
        details["starttls"] = "STLS" in (capability.upper() for capability in capabilities)
    return Service("pop3", product, version, details)


async def starttls(conn: Connection) -> None:
    await _status(conn, GREETING_WAIT)
    await conn.send(b"STLS\r\n")
    await _status(conn)


async def _capabilities(conn: Connection) -> list[str]:
    await conn.send(b"CAPA\r\n")
    if not (await conn.line()).startswith("+OK"):
        return []  # servers older than RFC 2449
    lines: list[str] = []
    while (line := await conn.line()) != "." and len(lines) < MAX_LINES:
        lines.append(line)
    return cleaned(lines)


async def _status(conn: Connection, wait: float | None = None) -> str:
    line = await conn.line(wait=wait)
    if not line.startswith("+OK"):
        raise NotSpoken("No +OK.")
    return line[3:]
