"""What nobody may ever reach through Vedette, whatever rules and settings say."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NEVER = {
    ipaddress.ip_network("0.0.0.0/8"): "no host (RFC 791)",
    ipaddress.ip_network("100.100.100.200/32"): "the metadata service of Alibaba Cloud",
    ipaddress.ip_network("168.63.129.16/32"): "the wire server of Azure",
    ipaddress.ip_network("169.254.0.0/16"): "link-local (RFC 3927), where clouds keep their metadata services",
    ipaddress.ip_network("192.0.0.192/32"): "the metadata service of Oracle Cloud",
    ipaddress.ip_network("224.0.0.0/4"): "multicast (RFC 5771)",
    ipaddress.ip_network("255.255.255.255/32"): "the broadcast address (RFC 919)",
    ipaddress.ip_network("::/128"): "no host (RFC 4291)",
    ipaddress.ip_network("fd00:ec2::254/128"): "the metadata service of Amazon EC2",
    ipaddress.ip_network("fd20:ce::254/128"): "the metadata service of Google Cloud",
    ipaddress.ip_network("fe80::/10"): "link-local (RFC 4291)",
    ipaddress.ip_network("ff00::/8"): "multicast (RFC 4291)",
}
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, 2.5.5.1; `::` and `::1` are no coats
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1


def forbidden(address: Address) -> str:
    """Return what `address`, or the one that it carries, is when nothing of ours may ever go there; else nothing."""
    ip = carried(address)
    return next((what for network, what in NEVER.items() if ip.version == network.version and ip in network), "")


def carried(address: Address) -> Address:
    """Return the IPv4 address to which an IPv6 one leads by translation or in a tunnel; any other is itself.

    v4-mapped and v4-compatible (RFC 4291), 6to4 (RFC 3056), the client of Teredo (RFC 4380), NAT64 (RFC 6052).
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    _, client = address.teredo or (None, None)
    return address.ipv4_mapped or address.sixtofour or client or address
