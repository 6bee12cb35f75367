"""AMQP 0-9-1: the server's properties in Connection.Start; AMQP 1.0 only by its header (OASIS AMQP 1.0, 2.2)."""

from __future__ import annotations

from services.scan.net.answer import Dial, NotSpoken, Service, clean, cleaned
from services.scan.net.connection import Connection

PORTS = frozenset({5672})
TLS_PORTS = frozenset({5671})
GREETS = False

HEADER = b"AMQP\0\0\x09\x01"
MAX_FRAME = 16 * 1024  # bytes
_START = b"\0\x0a\0\x0a\0\x09"  # class 10, method 10, protocol 0-9
_SIZES = {
    b"t": 1,
    b"b": 1,
    b"B": 1,
    b"s": 2,
    b"u": 2,
    b"I": 4,
    b"i": 4,
    b"f": 4,
    b"l": 8,
    b"d": 8,
    b"T": 8,
    b"D": 5,
    b"V": 0,
}


def recognises(heard: bytes) -> bool:
    return heard.startswith((b"AMQP", b"\x01\0\0\0\0")) and (heard[:4] == b"AMQP" or _START in heard[:16])


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    await conn.send(HEADER)
    head = await conn.exactly(7)
    if head.startswith(b"AMQP"):
        number = head[5:] + await conn.exactly(1)
        return Service("amqp", details={"mode": "AMQP " + ".".join(str(part) for part in number)})
    size = int.from_bytes(head[3:], "big")
    if head[:3] != b"\x01\0\0" or size > MAX_FRAME:
        raise NotSpoken("No AMQP frame.")
    return parse_start(await conn.exactly(size))


def parse_start(method: bytes) -> Service:
    """Parse the payload of Connection.Start."""
    if not method.startswith(_START):
        raise NotSpoken("The first frame is not Connection.Start.")
    properties, at = _long_string(method, 6)
    mechanisms, _ = _long_string(method, at)
    facts = parse_table(properties)
    names = cleaned(mechanisms.decode("latin-1").split())
    details = {"mode": "AMQP 0-9-1", "capabilities": names, "auth_required": "ANONYMOUS" not in names}
    return Service("amqp", clean(facts.get("product", "")), clean(facts.get("version", ""), 40), details)


def parse_table(data: bytes) -> dict[str, str]:
    """Return the texts of a field table; other values are skipped."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        name = data[at + 1 : (end := at + 1 + data[at])]
        kind, at = data[end : end + 1], end + 1
        if kind in (b"S", b"F", b"A", b"x"):
            value, at = _long_string(data, at)
            if kind == b"S":
                found[name.decode("latin-1")] = value.decode("utf-8", "replace")
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            raise NotSpoken("A field table with a value of unknown type.")
    return found


def _long_string(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the text at `at`, and where it ends."""
    end = at + 4 + int.from_bytes(data[at : at + 4], "big")
    if len(data) < max(end, at + 4):
        raise NotSpoken("A text longer than its frame.")
    return data[at + 4 : end], end
