"""Networks that are not on the public Internet: closed by default, opened by a setting or a grant.

After the IANA special-purpose registries (RFC 6890), kept here because the list in `ipaddress` differs between patch
releases of Python.
"""

from __future__ import annotations

import ipaddress

from shared.policy.never import Address, carried, forbidden

_PRIVATE = "private (RFC 1918)"
_DOCUMENTATION = "for documentation (RFC 5737)"
_ASSIGNED = "for protocols (RFC 6890)"
_V4 = {
    ipaddress.IPv4Network("10.0.0.0/8"): _PRIVATE,
    ipaddress.IPv4Network("100.64.0.0/10"): "behind carrier-grade NAT (RFC 6598)",
    ipaddress.IPv4Network("127.0.0.0/8"): "loopback (RFC 1122)",
    ipaddress.IPv4Network("172.16.0.0/12"): _PRIVATE,
    ipaddress.IPv4Network("192.0.0.0/24"): _ASSIGNED,
    ipaddress.IPv4Network("192.0.2.0/24"): _DOCUMENTATION,
    ipaddress.IPv4Network("192.31.196.0/24"): _ASSIGNED,
    ipaddress.IPv4Network("192.52.193.0/24"): _ASSIGNED,
    ipaddress.IPv4Network("192.88.99.0/24"): "a 6to4 relay (RFC 7526)",
    ipaddress.IPv4Network("192.168.0.0/16"): _PRIVATE,
    ipaddress.IPv4Network("192.175.48.0/24"): _ASSIGNED,
    ipaddress.IPv4Network("198.18.0.0/15"): "for benchmarks (RFC 2544)",
    ipaddress.IPv4Network("198.51.100.0/24"): _DOCUMENTATION,
    ipaddress.IPv4Network("203.0.113.0/24"): _DOCUMENTATION,
    ipaddress.IPv4Network("240.0.0.0/4"): "reserved (RFC 1112)",
}
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_COATS = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))  # judged by what they carry
_V6 = {
    ipaddress.IPv6Network("::1/128"): "loopback (RFC 4291)",
    ipaddress.IPv6Network("::/96"): "v4-compatible, deprecated (RFC 4291)",
    ipaddress.IPv6Network("2001::/23"): "for protocols, among them Teredo (RFC 2928)",
    ipaddress.IPv6Network("2001:db8::/32"): "for documentation (RFC 3849)",
    ipaddress.IPv6Network("2002::/16"): "6to4 (RFC 7526)",
    ipaddress.IPv6Network("2620:4f:8000::/48"): _ASSIGNED,
    ipaddress.IPv6Network("3fff::/20"): "for documentation (RFC 9637)",
    ipaddress.IPv6Network("fc00::/7"): "private (RFC 4193)",
    ipaddress.IPv6Network("fec0::/10"): "private (RFC 3879)",
}


def closed(address: Address) -> str:
    """Return what `address` is when it is not on the public Internet; else nothing.

    What is translated to an IPv4 address is judged by that.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return forbidden(address) or next((what for network, what in _V4.items() if address in network), "")
    if any(address in network for network in _COATS):
        return closed(carried(address))
    if what := forbidden(address) or next((what for network, what in _V6.items() if address in network), ""):
        return what
    return "" if address in _PUBLIC_V6 else "not on the public Internet (RFC 4291)"


def is_public(address: Address) -> bool:
    """Whether `address` is on the public Internet."""
    return not closed(address)
