"""From which address a request comes: the socket's peer, or what a proxy that is trusted says of it."""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.types import Scope

from shared.settings import settings


def address(scope: Scope) -> str:
    """Return the address of whoever asks, or an empty text for a socket without addresses."""
    client = scope.get("client")
    found = str(client[0]) if client else ""
    trusted = settings().trusted_proxies
    if not trusted or not _is_in(found, trusted):
        return found
    hops = [hop.strip() for line in Headers(scope=scope).getlist("x-forwarded-for") for hop in line.split(",")]
    for hop in reversed(hops):  # the nearest is the last; the first that no proxy of ours wrote is whoever asks
        if not _is_address(hop):
            break
        found = hop
        if not _is_in(hop, trusted):
            break
    return found


def network(address: str) -> str:
    """Return what an address is counted by: of IPv6 the first 64 bits, of which anybody has all the rest (RFC 6177)."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(text: str, networks: list[str]) -> bool:
    try:
        ip = ipaddress.ip_address(text)
        return any(ip in ipaddress.ip_network(each, strict=False) for each in networks)
    except ValueError:
        return False
