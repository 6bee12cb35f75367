"""MongoDB: `hello`, `buildInfo` and, to see whether a login is needed, `listDatabases` over OP_MSG."""

from __future__ import annotations

import struct
from typing import Any

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.bson import Damaged, decode, encode
from services.scan.net.connection import Connection, Lost, Silent, TooMuch

PORTS = frozenset({27017, 27018, 27019})
TLS_PORTS: frozenset[int] = frozenset()
GREETS = False

MAX_MESSAGE = 64 * 1024  # bytes
_OP_MSG = 2013
_UNAUTHORIZED = 13
_SAYS_TO_BROWSERS = b"trying to access MongoDB over HTTP"


def recognises(heard: bytes) -> bool:
    if _SAYS_TO_BROWSERS in heard:
        return True
    return len(heard) >= 16 and struct.unpack_from("<i", heard, 12)[0] in (_OP_MSG, 1) and heard[2:4] == b"\0\0"


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    hello = await _command(conn, {"hello": 1})
    if "maxWireVersion" not in hello and "ok" not in hello:
        raise NotSpoken("`hello` was not answered by MongoDB.")
    details: dict[str, object] = {"mode": _mode(hello)}
    version = ""
    try:
        version = clean(str((await _command(conn, {"buildInfo": 1})).get("version", "")), 40)
        databases = await _command(conn, {"listDatabases": 1, "nameOnly": True})
    except (Lost, Silent, TooMuch, NotSpoken):
        return Service("mongodb", "MongoDB", version, details)
    if databases.get("ok") == 1:
        details["auth_required"] = False
    elif databases.get("code") == _UNAUTHORIZED:
        details["auth_required"] = True
    return Service("mongodb", "MongoDB", version, details)


def message(command: dict[str, int | bool | str], number: int = 1) -> bytes:
    """Return `command` as an OP_MSG for the database `admin`."""
    body = struct.pack("<iB", 0, 0) + encode({**command, "$db": "admin"})
    return struct.pack("<iiii", 16 + len(body), number, 0, _OP_MSG) + body


def parse_message(body: bytes) -> dict[str, Any]:
    """Return the document of an OP_MSG, given what follows its 16 byte header."""
    if len(body) < 5 or body[4] != 0:
        raise NotSpoken("An OP_MSG without a body.")
    try:
        return decode(body[5:])
    except Damaged as exc:
        raise NotSpoken("An OP_MSG with a damaged document.") from exc


async def _command(conn: Connection, command: dict[str, int | bool | str]) -> dict[str, Any]:
    await conn.send(message(command))
    size, _, _, operation = struct.unpack("<iiii", await conn.exactly(16))
    if operation != _OP_MSG or not 16 < size <= MAX_MESSAGE:
        raise NotSpoken("Not an OP_MSG.")
    return parse_message(await conn.exactly(size - 16))


def _mode(hello: dict[str, Any]) -> str:
    if hello.get("msg") == "isdbgrid":
        return "router"
    return "replica set" if "setName" in hello else "standalone"
