"""PostgreSQL: whether TLS is offered, and what it takes to log in (frontend/backend protocol 3.0, 55.7)."""

from __future__ import annotations

import struct

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection, Lost, Silent, TooMuch

PORTS = frozenset({5432, 5433, 6432})
TLS_PORTS: frozenset[int] = frozenset()
GREETS = False

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
MAX_MESSAGE = 16 * 1024  # bytes
MAX_MESSAGES = 40  # a server states some 15 parameters after a login
_METHODS = {2: "kerberos", 3: "password", 5: "md5", 7: "gss", 9: "sspi", 10: "scram-sha-256"}


def recognises(heard: bytes) -> bool:
    return heard.startswith(b"E") and (b"FATAL\0" in heard[:64] or b"0A000\0" in heard)


async def probe(conn: Connection, dial: Dial) -> Service:
    await conn.send(SSL_REQUEST)
    answer = await conn.exactly(1)
    if answer not in (b"S", b"N"):
        raise NotSpoken("The request for TLS was not answered with S or N.")
    details: dict[str, object] = {"tls_offered": answer == b"S"}
    try:
        async with await dial() as plain:
            version = await _log_in(plain, details)
    except (Lost, Silent, TooMuch, NotSpoken):
        version = None
    if version is None and answer == b"N":
        raise NotSpoken("One letter alone does not make a PostgreSQL server.")
    return Service("postgres", "PostgreSQL", version or "", details)


async def starttls(conn: Connection) -> None:
    await conn.send(SSL_REQUEST)
    if await conn.exactly(1) != b"S":
        raise NotSpoken("The request for TLS was refused.")


async def _log_in(conn: Connection, details: dict[str, object]) -> str:
    """Begin a session as `postgres` without a password; return the version if the server lets us in and says it."""
    await conn.send(startup("postgres"))
    for _ in range(MAX_MESSAGES):
        head = await conn.exactly(5)
        size = int.from_bytes(head[1:], "big") - 4
        if not 0 <= size <= MAX_MESSAGE:
            raise NotSpoken("A message of impossible size.")
        body = await conn.exactly(size)
        if head[:1] == b"E":
            details.update(parse_error(body))
            return ""
        if head[:1] == b"R" and (required := parse_authentication(body))["auth_required"] is not None:
            details.update(required)
            if required["auth_required"]:
                return ""
        if head[:1] == b"S" and body.startswith(b"server_version\0"):
            return clean(body.split(b"\0")[1].decode("latin-1"), 60).partition(" ")[0]
        if head[:1] not in (b"R", b"S", b"K", b"N"):
            break
    return ""


def startup(user: str) -> bytes:
    """Return the StartupMessage for `user`."""
    body = struct.pack("!i", 196608) + b"user\0" + user.encode() + b"\0database\0postgres\0\0"
    return struct.pack("!i", len(body) + 4) + body


def parse_authentication(body: bytes) -> dict[str, object]:
    """Parse an Authentication message: is something required, and by which method."""
    if len(body) < 4:
        raise NotSpoken("An Authentication message that is too short.")
    kind = int.from_bytes(body[:4], "big")
    if kind == 0:
        return {"auth_required": False, "mode": "trust"}
    return {"auth_required": True, "mode": _METHODS.get(kind, f"method {kind}")}


def parse_error(body: bytes) -> dict[str, object]:
    """Parse an ErrorResponse. Class 28 means that pg_hba.conf does not let this client in as it is."""
    fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
    if b"C" not in fields:
        raise NotSpoken("An error without a code.")
    return {"auth_required": True, "mode": "rejected"} if fields[b"C"].startswith(b"28") else {}
