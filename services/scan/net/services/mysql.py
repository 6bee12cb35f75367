"""MySQL and MariaDB: the initial handshake packet (protocol 10), TLS inside it."""

from __future__ import annotations

import re
import struct

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection

PORTS = frozenset({3306, 3307, 33060})
TLS_PORTS: frozenset[int] = frozenset()
GREETS = True

MAX_PACKET = 4096  # bytes; a greeting is about 100
GREETING_WAIT = 6.0  # seconds; the server may look up the client's name first
_SSL = 0x0800
_PROTOCOL_41, _SECURE = 0x0200, 0x8000
_MARIADB = re.compile(r"(?:5\.5\.5-)?(?P<version>\d[\d.]{0,30})-MariaDB", re.IGNORECASE)


def recognises(heard: bytes) -> bool:
    return len(heard) > 5 and heard[2:4] == b"\0\0" and heard[4] in (0x0A, 0xFF) and heard[:3] != b"\0\0\0"


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    return parse_greeting(await _greeting(conn))


async def starttls(conn: Connection) -> None:
    if not parse_greeting(await _greeting(conn)).details.get("tls_offered"):
        raise NotSpoken("TLS is not offered.")
    await conn.send(b"\x20\0\0\x01" + struct.pack("<IIB23x", _SSL | _PROTOCOL_41 | _SECURE, 1 << 24, 45))


def parse_greeting(payload: bytes) -> Service:
    """Parse a handshake packet, or the error packet that a host gets which may not connect."""
    if payload[:1] == b"\xff" and len(payload) >= 3:
        return Service("mysql", *_product(payload.decode("latin-1")), {"mode": "refused"})
    said, nul, rest = payload[1:].partition(b"\0")
    if payload[:1] != b"\x0a" or not nul or not re.match(rb"\d", said):
        raise NotSpoken("No MySQL handshake.")
    flags = int.from_bytes(rest[13:15], "little")  # after thread id (4), nonce (8), filler (1)
    product, version = _product(said.decode("latin-1"))
    return Service("mysql", product or "MySQL", version, {"tls_offered": bool(flags & _SSL)})


async def _greeting(conn: Connection) -> bytes:
    size = int.from_bytes((await conn.exactly(4, GREETING_WAIT))[:3], "little")
    if not 3 <= size <= MAX_PACKET:
        raise NotSpoken("A first packet of impossible size.")
    return await conn.exactly(size)


def _product(said: str) -> tuple[str, str]:
    if match := _MARIADB.search(said):
        return "MariaDB", match["version"]
    number = re.match(r"\d[\w.]*", said)
    return ("MariaDB" if "MariaDB" in said else "MySQL"), clean(number[0] if number else "", 40)
