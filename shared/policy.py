"""Who may scan what. Asked when a job is submitted; the scan asks again when it connects.

A name must resolve, and to nothing that no scan may ever touch. Networks allowed and denied by their owners come with
organisations.
"""

from __future__ import annotations

import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate

from shared.contracts.target import TargetModel
from shared.errors import InvalidInput, Security, Temporary

RESOLVE_TIMEOUT_S = 5.0  # two tries of a common resolver configuration
NEVER = {
    ipaddress.ip_network("0.0.0.0/8"): "no host (RFC 791)",
    ipaddress.ip_network("169.254.0.0/16"): "link-local (RFC 3927), where clouds keep their metadata services",
    ipaddress.ip_network("224.0.0.0/4"): "multicast (RFC 5771)",
    ipaddress.ip_network("255.255.255.255/32"): "the broadcast address (RFC 919)",
    ipaddress.ip_network("::/128"): "no host (RFC 4291)",
    ipaddress.ip_network("fd00:ec2::254/128"): "a cloud's metadata service",
    ipaddress.ip_network("fe80::/10"): "link-local (RFC 4291)",
    ipaddress.ip_network("ff00::/8"): "multicast (RFC 4291)",
}
_POOL = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


class TargetUnresolvable(InvalidInput):
    """The name has no address."""


class ResolverAway(Temporary):
    """The resolver did not answer in time, so nothing is known of the name."""


class TargetRefused(Security):
    """The target has an address that is never scanned."""


def check(target: TargetModel) -> None:
    """Refuse a single target that cannot or must not be scanned: the `host` of its model, if it has one.

    Raises TargetUnresolvable, ResolverAway or TargetRefused.
    """
    host = getattr(target, "host", None)
    if isinstance(host, str):
        for address in resolve(host):
            guard(address)


def guard(address: str) -> None:
    """Refuse an address that is never scanned, also where it hides in an IPv6 one. Raises TargetRefused."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    for network, what in NEVER.items():
        if ip.version == network.version and ip in network:
            raise TargetRefused(f"{address} is {what}, which is never scanned.", cure="Give the address of a host.")


def resolve(host: str) -> list[str]:
    """Return all addresses of `host`, IPv4 first, each once. Raises TargetUnresolvable or ResolverAway."""
    if _is_address(host):
        return [host]
    try:
        answers = _POOL.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM).result(RESOLVE_TIMEOUT_S)
    except TooLate as exc:
        raise ResolverAway(f"The resolver did not answer for {host!r} within {RESOLVE_TIMEOUT_S:g} s.") from exc
    except socket.gaierror as exc:
        if exc.errno == socket.EAI_AGAIN:
            raise ResolverAway(f"The resolver failed for {host!r}: {exc.strerror}.") from exc
        raise _unresolvable(host) from exc
    except ValueError as exc:  # a label too long for IDNA, a NUL
        raise _unresolvable(host) from exc
    found = dict.fromkeys(str(answer[4][0]) for answer in answers)
    return sorted(found, key=lambda address: ":" in address)


def _unresolvable(host: str) -> TargetUnresolvable:
    return TargetUnresolvable(
        f"The name {host!r} has no address.", cure="Check its spelling, or give the address itself.", pointer="/host"
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
