"""Who may scan what. Asked when a job is submitted; the scan asks again when it connects.

A name must resolve, and to nothing that no scan may ever touch. Networks allowed and denied by their owners come with
organisations.
"""

from __future__ import annotations

import ipaddress

from shared import resolver
from shared.contracts.target import TargetModel
from shared.errors import Security

RESOLVE_TIMEOUT_S = 5.0  # somebody waits for the answer to a submission
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


class TargetRefused(Security):
    """The target has an address that is never scanned."""


def check(target: TargetModel) -> None:
    """Refuse a single target that cannot or must not be scanned: the `host` of its model, if it has one.

    Raises TargetUnresolvable, ResolverAway or TargetRefused.
    """
    host = getattr(target, "host", None)
    if isinstance(host, str):
        for address in resolver.addresses(host, RESOLVE_TIMEOUT_S):
            guard(address)


def guard(address: str) -> None:
    """Refuse an address that is never scanned, also where it hides in an IPv6 one. Raises TargetRefused."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    for network, what in NEVER.items():
        if ip.version == network.version and ip in network:
            raise TargetRefused(f"{address} is {what}, which is never scanned.", cure="Give the address of a host.")
