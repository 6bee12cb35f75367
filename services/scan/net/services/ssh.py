"""SSH: the identification and the algorithms that the server offers (RFC 4253, 4.2 and 7.1)."""

from __future__ import annotations

import re

from services.scan.net.answer import MOST_ITEMS, Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection, Lost, Silent, TooMuch

PORTS = frozenset({22, 2022, 2222, 22222})
TLS_PORTS: frozenset[int] = frozenset()
GREETS = True

GREETING_WAIT = 6.0  # seconds; sshd may look up the client's name first
MAX_PACKET = 35_000  # RFC 4253, 6.1
_KEXINIT = 20
_IDENTIFICATION = re.compile(r"SSH-(?P<protocol>[\d.]+)-(?P<software>[^ ]*)(?: (?P<comment>.*))?")
_SOFTWARE = re.compile(r"(?P<product>[A-Za-z][\w.+]*?)[_-](?P<version>[rv]?\d.*)")
_LISTS = ("kex", "host_keys", "ciphers", "ciphers", "macs", "macs", "compression", "compression")


def recognises(heard: bytes) -> bool:
    return heard.startswith(b"SSH-")


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    service = parse_identification(await _identification(conn))
    if service.details["protocol"].startswith("1.") and service.details["protocol"] != "1.99":
        return service
    try:
        await conn.send(b"SSH-2.0-Vedette\r\n")
        length = int.from_bytes(await conn.exactly(4), "big")
        if not 2 <= length <= MAX_PACKET:
            return service
        service.details.update(parse_kexinit(await conn.exactly(length)))
    except (Lost, Silent, TooMuch, NotSpoken):
        return service
    return service


def parse_identification(line: str) -> Service:
    """Parse e.g. `SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3`."""
    match = _IDENTIFICATION.match(line)
    if not match:
        raise NotSpoken("No SSH identification.")
    software = _SOFTWARE.fullmatch(match["software"])
    product, version = (software["product"], software["version"]) if software else (match["software"], "")
    details = {"protocol": clean(match["protocol"], 20), "comment": clean(match["comment"] or "")}
    return Service("ssh", clean(product), clean(version), details)


def parse_kexinit(packet: bytes) -> dict[str, list[str]]:
    """Parse a binary packet after its length field. Both directions of ciphers, MACs and compression are joined."""
    if len(packet) < 18 or packet[1] != _KEXINIT:
        raise NotSpoken("No SSH KEXINIT.")
    payload = packet[1 : len(packet) - packet[0]]
    found: dict[str, list[str]] = {}
    at = 17  # message number and cookie
    for name in _LISTS:
        size = int.from_bytes(payload[at : at + 4], "big")
        raw = payload[at + 4 : at + 4 + size]
        if at + 4 + size > len(payload) or not raw.isascii():
            raise NotSpoken("A name list of the SSH KEXINIT is damaged.")
        offered = [item for text in raw.decode().split(",", MOST_ITEMS)[:MOST_ITEMS] if (item := clean(text, 64))]
        found[name] = list(dict.fromkeys((*found.get(name, ()), *offered)))
        at += 4 + size
    return found


async def _identification(conn: Connection) -> str:
    for _ in range(20):  # RFC 4253 allows other lines before it
        line = await conn.line(wait=GREETING_WAIT)
        if line.startswith("SSH-"):
            return line
    raise NotSpoken("No SSH identification within 20 lines.")
