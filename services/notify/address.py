"""Which addresses a webhook may go to: the public Internet, and nothing that lies behind it.

`routes` resolves a name once and judges every address that it has; the caller connects to what was judged, so no second
answer of the name server (DNS rebinding) is ever asked for. The list is that of the IANA special-purpose registries
(RFC 6890), kept here because the one in `ipaddress` differs between patch releases of Python.
"""

from __future__ import annotations

import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor

from shared.errors import Security, Temporary

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; the metadata server of Alibaba
        "127.0.0.0/8",
        "168.63.129.16/32",  # the metadata server of Azure, outside of every registry
        "169.254.0.0/16",  # link-local; the metadata server of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; the metadata server of Oracle
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, among them Teredo, which embeds IPv4
        "2001:db8::/32",
        "2002::/16",  # 6to4, which embeds IPv4
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class PrivateAddress(Security):
    """The host has an address that is not on the public Internet. The address is not named: it is an inside matter."""


class HostNotResolved(Temporary):
    """The name server gave no address, or no answer in time."""


def routes(host: str, port: int, *, private: bool, timeout_s: float) -> list[str]:
    """Return the addresses of `host` in the order to try them, all of them judged.

    private: addresses inside are welcome too.  Raises PrivateAddress when one of the addresses is not public, even when
    others are; HostNotResolved.
    """
    found = _resolve(host, port, timeout_s)
    if not private and not all(is_public(ipaddress.ip_address(address)) for address in found):
        raise private_address(host)
    return found


def is_public(address: Address) -> bool:
    """Whether `address` is on the public Internet. An IPv6 address that carries an IPv4 one is judged by that."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


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


def _resolve(host: str, port: int, timeout_s: float) -> list[str]:
    # getaddrinfo has no time-out of its own; a thread that is left behind ends with the resolver's.
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resolve")
    try:
        answers = pool.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM).result(timeout_s)
    except (OSError, UnicodeError) as exc:
        raise _unresolved(host, exc) from exc
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _unresolved(host: str, exc: Exception) -> HostNotResolved:
    why = (exc.strerror if isinstance(exc, OSError) else None) or "no answer in time"
    return HostNotResolved(f"The name {host} was not resolved: {why}.", cure="Check the name and the name server.")
