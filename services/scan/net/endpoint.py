"""The only door to the network: every socket of the host scanner is made here, for an address already resolved.

The policy's guard stands in `destination`; no other function turns an address into something a socket can connect to.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from functools import lru_cache

from shared import policy

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True)
class Destination:
    """One address in the form that sockets want. `scope` is the interface of an IPv6 address with a zone, else 0."""

    family: socket.AddressFamily
    host: str
    scope: int = 0

    def at(self, port: int) -> SocketAddress:
        if self.family is socket.AF_INET:
            return self.host, port
        return self.host, port, 0, self.scope


@lru_cache(maxsize=1024)
def destination(address: str) -> Destination:
    """Return where `address` (an IP address, perhaps with a zone) is.

    Raises TargetRefused for one that is never scanned, ValueError for what is no address.
    """
    policy.guard(address)
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return Destination(socket.AF_INET, str(ip))
    name, _, zone = address.partition("%")
    return Destination(socket.AF_INET6, str(ipaddress.IPv6Address(name)), _scope(zone))


def open_socket(where: Destination) -> socket.socket:
    """Return a new non-blocking TCP socket for `where`. Raises OSError when there are no files left."""
    sock = socket.socket(where.family, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


def is_self(sock: socket.socket) -> bool:
    """Whether TCP connected this socket to itself: on loopback its own source port may be the one it asks for."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:
        return False


def _scope(zone: str) -> int:
    if not zone:
        return 0
    if zone.isdigit():
        return int(zone)
    try:
        return socket.if_nametoindex(zone)
    except OSError as exc:
        raise ValueError(f"there is no interface {zone!r}") from exc
