"""RDP: which security protocols the server accepts (MS-RDPBCGR 2.2.1.1 and 2.2.1.2)."""

from __future__ import annotations

import struct

from services.scan.net.answer import Dial, NotSpoken, Service
from services.scan.net.connection import Connection, Lost, Silent, TooMuch

PORTS = frozenset({3389})
TLS_PORTS: frozenset[int] = frozenset()
GREETS = False

MAX_PACKET = 512  # bytes
_PROTOCOLS = {0: "rdp", 1: "tls", 2: "credssp"}
_ASKED = {0: 0, 1: 1, 2: 3}  # CredSSP is asked for together with TLS, as clients do


def recognises(heard: bytes) -> bool:
    return heard.startswith(b"\x03\0\0") and len(heard) > 5 and heard[5] == 0xD0


async def probe(conn: Connection, dial: Dial) -> Service:
    accepted = ["rdp"] if await _asks(conn, 0) == 0 else []
    for protocol in (1, 2):
        try:
            async with await dial() as other:
                if await _asks(other, _ASKED[protocol]) == protocol:
                    accepted.append(_PROTOCOLS[protocol])
        except (Lost, Silent, TooMuch, NotSpoken):
            continue
    return Service("rdp", details={"protocols": accepted})


async def starttls(conn: Connection) -> None:
    if await _asks(conn, 3) in (None, 0):
        raise NotSpoken("TLS is not accepted.")


def request(protocols: int) -> bytes:
    """Return an X.224 Connection Request that asks for `protocols` (a bit mask)."""
    negotiation = struct.pack("<BBHI", 1, 0, 8, protocols)
    x224 = struct.pack("!BBHHB", 6 + len(negotiation), 0xE0, 0, 0, 0) + negotiation
    return struct.pack("!BBH", 3, 0, 4 + len(x224)) + x224


def parse_confirm(data: bytes) -> int | None:
    """Return the protocol that an X.224 Connection Confirm (after its TPKT header) selects; None when it refuses.

    A confirm without a negotiation response comes from servers that know standard RDP security only.
    """
    if len(data) < 7 or data[1] != 0xD0:
        raise NotSpoken("No X.224 Connection Confirm.")
    if len(data) < 15:
        return 0
    kind, _, _, value = struct.unpack_from("<BBHI", data, 7)
    return int(value) if kind == 2 else None


async def _asks(conn: Connection, protocols: int) -> int | None:
    await conn.send(request(protocols))
    version, _, size = struct.unpack("!BBH", await conn.exactly(4))
    if version != 3 or not 11 <= size <= MAX_PACKET:
        raise NotSpoken("No TPKT.")
    return parse_confirm(await conn.exactly(size - 4))
