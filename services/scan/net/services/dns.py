"""DNS over TCP: version.bind, and whether the server resolves names for us (RFC 1035, 4.2.2; RFC 4892)."""

from __future__ import annotations

import re

import dns.exception
import dns.flags
import dns.message

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection, Lost, Silent, TooMuch

PORTS = frozenset({53, 5353})
TLS_PORTS = frozenset({853})
GREETS = False

_PRODUCT = re.compile(
    r"(?P<product>BIND|unbound|PowerDNS[\w ]*?|dnsmasq|Knot DNS|NSD|CoreDNS)[ -]*(?P<version>\d[\w.+-]*)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"9\.\d+\.\d+\S*")  # BIND says its version alone


def recognises(heard: bytes) -> bool:
    return len(heard) >= 14 and int.from_bytes(heard[:2], "big") == len(heard) - 2 and heard[4] & 0x80 != 0


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    said = parse_version(await _ask(conn, dns.message.make_query("version.bind", "TXT", "CH")))
    details: dict[str, object] = {"version_bind": said}
    try:
        answer = parse(await _ask(conn, dns.message.make_query(".", "NS")))
        details["recursion"] = bool(answer.flags & dns.flags.RA) and answer.rcode() == 0
    except (Lost, Silent, TooMuch, NotSpoken):
        pass
    return Service("dns", *product(said), details)


def parse(wire: bytes) -> dns.message.Message:
    """Return the DNS response in `wire` (without its length)."""
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError, IndexError, KeyError) as exc:
        raise NotSpoken("No DNS message.") from exc
    if not message.flags & dns.flags.QR:
        raise NotSpoken("A DNS message that is no response.")
    return message


def parse_version(wire: bytes) -> str:
    """Return the text of version.bind, or nothing when the server keeps it to itself."""
    for rrset in parse(wire).answer:
        for record in rrset:
            if strings := getattr(record, "strings", None):
                return clean(b"".join(strings).decode("utf-8", "replace"))
    return ""


def product(said: str) -> tuple[str, str]:
    """Return product and version in the text of version.bind."""
    if match := _PRODUCT.search(said):
        return match["product"], match["version"] or ""
    number = _NUMBER.match(said)
    return ("BIND", number[0]) if number else ("", "")


async def _ask(conn: Connection, query: dns.message.Message) -> bytes:
    wire = query.to_wire()
    await conn.send(len(wire).to_bytes(2, "big") + wire)
    size = int.from_bytes(await conn.exactly(2), "big")
    if size < 12:
        raise NotSpoken("Shorter than a DNS header.")
    answer = await conn.exactly(size)
    if answer[:2] != wire[:2]:
        raise NotSpoken("An answer to another question.")
    return answer
