"""MQTT 3.1.1: an anonymous CONNECT, and where it is let in the broker's version (OASIS MQTT 3.1.1, 3.1 and 3.2)."""

from __future__ import annotations

import re

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection, Lost, Silent, TooMuch

PORTS = frozenset({1883})
TLS_PORTS = frozenset({8883})
GREETS = False

CONNECT = b"\x10\x13\0\x04MQTT\x04\x02\0\x0a\0\x07vedette"  # clean session, keep alive 10 s, client `vedette`
SUBSCRIBE = b"\x82\x18\0\x01\0\x13$SYS/broker/version\0"
DISCONNECT = b"\xe0\0"
MAX_PACKET = 4096  # bytes
_MODES = {
    0: "accepted",
    1: "protocol refused",
    2: "client refused",
    3: "unavailable",
    4: "bad login",
    5: "not authorised",
}
_VERSION = re.compile(rb"(?P<product>[A-Za-z][\w ]{0,40}?)(?: version)? (?P<version>\d[\w.+-]{0,30})")


def recognises(heard: bytes) -> bool:
    return len(heard) == 4 and heard[:2] == b"\x20\x02"


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    await conn.send(CONNECT)
    code = parse_connack(await conn.exactly(4))
    details: dict[str, object] = {"mode": _MODES[code]}
    if code in (0, 4, 5):
        details["auth_required"] = code != 0
    product, version = await _version(conn) if code == 0 else ("", "")
    return Service("mqtt", product, version, details)


def parse_connack(packet: bytes) -> int:
    """Return the return code of a CONNACK."""
    if len(packet) != 4 or packet[:2] != b"\x20\x02" or packet[2] > 1 or packet[3] not in _MODES:
        raise NotSpoken("No CONNACK.")
    return packet[3]


def parse_version(packet: bytes) -> tuple[str, str]:
    """Return product and version in a PUBLISH of `$SYS/broker/version`, e.g. `mosquitto version 2.0.11`."""
    _, topic, payload = packet.partition(b"$SYS/broker/version")
    match = _VERSION.search(payload) if topic else None
    return (clean(match["product"].decode()), match["version"].decode()) if match else ("", "")


async def _version(conn: Connection) -> tuple[str, str]:
    try:
        await conn.send(SUBSCRIBE)
        for _ in range(3):
            head = await conn.exactly(2)
            if head[1] > 127:  # longer than the two packets that are waited for
                break
            body = await conn.exactly(head[1])
            if head[0] >> 4 == 3:
                return parse_version(body)
        await conn.send(DISCONNECT)
    except (Lost, Silent, TooMuch):
        return "", ""
    return "", ""
