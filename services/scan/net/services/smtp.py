"""SMTP: greeting, EHLO and its capabilities, STARTTLS (RFC 5321, RFC 3207)."""

from __future__ import annotations

import re

from services.scan.net.answer import Dial, NotSpoken, Service, clean, cleaned
from services.scan.net.connection import Connection, Lost
from services.scan.net.product import in_greeting

PORTS = frozenset({25, 587, 2525})
TLS_PORTS = frozenset({465})
GREETS = True

GREETING_WAIT = 8.0  # seconds; postscreen and others keep clients waiting on purpose
MAX_LINES = 60
_REPLY = re.compile(r"(?P<code>[2-5]\d\d)(?P<more>[ -]|$)(?P<text>.*)", re.DOTALL)


def recognises(heard: bytes) -> bool:
    return heard[:4] in (b"220 ", b"220-", b"554 ", b"421 ") and b"FTP" not in heard.upper()


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    code, greeting = await reply(conn, GREETING_WAIT)
    product, version = in_greeting(" ".join(greeting))
    details: dict[str, object] = {"greeting_name": clean(greeting[0].partition(" ")[0], 253)}
    says_so = "SMTP" in " ".join(greeting).upper()
    if code != 220:
        if not says_so:
            raise NotSpoken("Refused with a reply that does not mention SMTP.")
        return Service("smtp", product, version, details)
    try:
        await conn.send(b"EHLO vedette.invalid\r\n")
        code, lines = await reply(conn)
    except Lost:
        if not says_so:
            raise
        return Service("smtp", product, version, details)
    if code != 250:
        raise NotSpoken(f"EHLO was answered with {code}.")
    details["capabilities"] = cleaned(lines[1:])
    details["starttls"] = any(line.upper().strip() == "STARTTLS" for line in lines[1:])
    return Service("smtp", product, version, details)


async def starttls(conn: Connection) -> None:
    await reply(conn, GREETING_WAIT)
    await conn.send(b"EHLO vedette.invalid\r\n")
    await reply(conn)
    await conn.send(b"STARTTLS\r\n")
    if (await reply(conn))[0] != 220:
        raise NotSpoken("STARTTLS was refused.")


async def reply(conn: Connection, wait: float | None = None) -> tuple[int, list[str]]:
    """Read one reply of SMTP or FTP: its code and the texts of its lines."""
    lines: list[str] = []
    for _ in range(MAX_LINES):
        code, is_last, text = parse_line(await conn.line(wait=wait))
        lines.append(text)
        if is_last:
            return code, lines
    raise NotSpoken(f"A reply of more than {MAX_LINES} lines.")


def parse_line(line: str) -> tuple[int, bool, str]:
    """Return code, whether the line is the last of its reply, and text. FTP's middle lines may be bare (code 0)."""
    match = _REPLY.fullmatch(line)
    if match:
        return int(match["code"]), match["more"] != "-", match["text"]
    if line.startswith(" "):
        return 0, False, line.strip()
    raise NotSpoken("Not a reply with a code.")
