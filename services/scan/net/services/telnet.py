"""Telnet: option negotiation, refused throughout, and the text before the login (RFC 854)."""

from __future__ import annotations

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection, Lost, Silent

PORTS = frozenset({23, 2323})
TLS_PORTS = frozenset({992})
GREETS = True

ROUNDS = 4  # negotiations before the prompt
TEXT_WAIT = 1.5  # seconds
_IAC, _SB, _SE, _WILL, _WONT, _DO, _DONT = 255, 250, 240, 251, 252, 253, 254


def recognises(heard: bytes) -> bool:
    return len(heard) >= 3 and heard[0] == _IAC and _SB <= heard[1] <= _DONT


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    text, refusals = parse(await conn.some(1024))
    if not refusals and "login" not in text.lower():
        raise NotSpoken("No option negotiation and no login.")
    try:
        for _ in range(ROUNDS):
            await conn.send(refusals)
            more, refusals = parse(await conn.some(1024, TEXT_WAIT))
            text += more
    except (Lost, Silent):
        pass
    return Service("telnet", details={"greeting_name": clean(text)})


def parse(data: bytes) -> tuple[str, bytes]:
    """Split what a server sent into its text and the refusals of the options that it asks for or offers."""
    text, refusals = bytearray(), bytearray()
    at = 0
    while at < len(data):
        command = data[at + 1] if at + 1 < len(data) else 0
        if data[at] != _IAC:
            text.append(data[at])
            at += 1
        elif command == _SB:
            end = data.find(bytes((_IAC, _SE)), at)
            at = len(data) if end < 0 else end + 2
        elif _WILL <= command <= _DONT:
            if command in (_WILL, _DO) and at + 2 < len(data):
                refusals += bytes((_IAC, _DONT if command == _WILL else _WONT, data[at + 2]))
            at += 3
        else:
            at += 2
    return text.decode("latin-1"), bytes(refusals)
