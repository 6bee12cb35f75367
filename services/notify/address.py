"""Which addresses a webhook may go to: the public Internet, and nothing that lies behind it.

`routes` resolves a name once and judges every address that it has; the caller connects to what was judged, so no second
answer of the name server (DNS rebinding) is ever asked for. The list is that of the IANA special-purpose registries
(RFC 6890), kept here because the one in `ipaddress` differs between patch releases of Python, without what
`shared.policy` forbids to all of Vedette.
"""

from __future__ import annotations

import ipaddress

from shared import policy, resolver
from shared.errors import Security
from shared.policy import Address

_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",  # reserved
    )
)
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",  # v4-compatible, deprecated
        "2001::/23",  # protocol assignments, among them Teredo
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


class PrivateAddress(Security):
    """The host has an address that is not on the public Internet. The address is not named: it is an inside matter."""


def routes(host: str, *, private: bool, timeout_s: float) -> list[str]:
    """Return the addresses of `host` in the order to try them, all of them judged.

    private: addresses inside are welcome too.  Raises PrivateAddress when one of the addresses is not public, even when
    others are; TargetUnresolvable; ResolverAway.
    """
    found = resolver.addresses(host, timeout_s)
    if not private and not all(is_public(ipaddress.ip_address(address)) for address in found):
        raise private_address(host)
    return found


def is_public(address: Address) -> bool:
    """Whether `address` is on the public Internet. What is translated to an IPv4 address is judged by that."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _NOT_PUBLIC_V6):
        return False
    ip = policy.carried(address)
    if policy.forbidden(ip):
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    return ip in _PUBLIC_V6


def literal(host: str) -> Address | None:
    """Return the address that `host` spells out, or None when it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def private_address(host: str) -> PrivateAddress:
    """Return the error that refuses `host`."""
    return PrivateAddress(
        f"The webhook host {host} has a private, local or reserved address.",
        cure="Give a host on the public Internet, or set VEDETTE_NOTIFY_PRIVATE_ADDRESSES=true on the notify service.",
    )
