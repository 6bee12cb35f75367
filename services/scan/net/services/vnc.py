"""VNC: version and security types (RFC 6143, 7.1)."""

from __future__ import annotations

import re

from services.scan.net.answer import Dial, NotSpoken, Service
from services.scan.net.connection import Connection, Lost, Silent

PORTS = frozenset({5900, 5901, 5902, 5903})
TLS_PORTS: frozenset[int] = frozenset()
GREETS = True

_VERSION = re.compile(rb"RFB (\d{3})\.(\d{3})\n")
# RFC 6143, 8.1.2, and the registry of the RFB community
_TYPES = {1: "none", 2: "vnc", 5: "ra2", 6: "ra2ne", 16: "tight", 17: "ultra", 18: "tls", 19: "vencrypt", 20: "sasl"}
_TYPES |= {21: "md5", 22: "xvp", 30: "apple-dh", 33: "apple-srp", 35: "apple-login", 129: "ra2-256", 130: "ra2ne-256"}


def recognises(heard: bytes) -> bool:
    return heard.startswith(b"RFB ")


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    version = parse_version(await conn.exactly(12))
    details: dict[str, object] = {"mode": f"RFB {version[0]}.{version[1]}"}
    spoken = min(version, (3, 8)) if version >= (3, 7) else (3, 3)
    try:
        await conn.send(b"RFB %03d.%03d\n" % spoken)
        if spoken == (3, 3):
            kinds = [int.from_bytes(await conn.exactly(4), "big")]
        else:
            kinds = list(await conn.exactly((await conn.exactly(1))[0]))
    except (Lost, Silent):
        return Service("vnc", details=details)
    details["security_types"] = security_types(kinds)
    return Service("vnc", details=details)


def parse_version(data: bytes) -> tuple[int, int]:
    match = _VERSION.fullmatch(data)
    if not match:
        raise NotSpoken("No RFB version.")
    return int(match[1]), int(match[2])


def security_types(kinds: list[int]) -> list[str]:
    """Return the names of security types, each once. 0 means that the server refuses and is left out."""
    return list(dict.fromkeys(_TYPES.get(kind, f"type {kind}") for kind in kinds if kind))
