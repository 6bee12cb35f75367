"""The one way out: every connection of a stage to somebody else's machine begins here, with an address that was judged.

`destination` is the only thing that turns an address into something a socket can connect to; scanners that open
thousands of sockets use it directly, everybody else `connect` or `dial`. A name is resolved once: no second answer of a
name server (DNS rebinding) is ever asked for.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self

from shared import resolver
from shared.policy import Reach
from shared.policy.reach import OWN_RULE, Refusal

SocketAddress = tuple[str, int] | tuple[str, int, int, int]

CHUNK = 16 * 1024


class TooLate(TimeoutError):
    """The time for this connection is over."""


class TooMuch(OSError):
    """The peer sent more than is read from one connection."""


@dataclass(frozen=True)
class Destination:
    """One judged address in the form that sockets want. `scope`: the interface of an IPv6 address with a zone, else 0.

    barred: ports of the installation itself, to which no socket goes.
    """

    address: str
    family: socket.AddressFamily
    host: str
    scope: int = 0
    barred: frozenset[int] = frozenset()

    def at(self, port: int) -> SocketAddress:
        """Return what a socket connects to. Raises TargetRefused for a barred port."""
        if port in self.barred:
            raise _own_service(self.address, port)
        if self.family is socket.AF_INET:
            return self.host, port
        return self.host, port, 0, self.scope


def destination(address: str, within: Reach, name: str = "") -> Destination:
    """Return where `address` (an IP address, perhaps with a zone) is. name: as which it was asked for.

    Raises TargetRefused for one that may not be reached, ValueError for what is no address.
    """
    within.require(address, name)
    barred = within.own_ports(address, name)
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return Destination(address, socket.AF_INET, str(ip), barred=barred)
    bare, _, zone = address.partition("%")
    return Destination(address, socket.AF_INET6, str(ipaddress.IPv6Address(bare)), _scope(zone), barred)


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


class Link:
    """A connection that ends at one deadline, and reads at most so many bytes.

    Time-outs of single reads would let a peer that sends a byte now and then hold a worker for hours; a deadline does
    not.
    """

    def __init__(self, sock: socket.socket, ends_at: float, limit: int) -> None:
        self.sock = sock
        self._ends_at = ends_at
        self._left = limit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; none at the end. Raises TooLate, TooMuch, OSError."""
        if self._left <= 0:
            raise TooMuch("The peer sent more than is read from one connection.")
        with self._timed():
            data = self.sock.recv(min(count, CHUNK, self._left))
        self._left -= len(data)
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises TooLate, OSError."""
        with self._timed():
            self.sock.sendall(data)

    def secure(self, context: ssl.SSLContext, server_name: str | None) -> None:
        """Go on inside TLS. Raises TooLate, ssl.SSLError, OSError."""
        with self._timed():
            self.sock = context.wrap_socket(self.sock, server_hostname=server_name)

    def close(self) -> None:
        self.sock.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self.sock.settimeout(left(self._ends_at))
        try:
            yield
        except TimeoutError as exc:
            raise TooLate("no answer in time") from exc


def connect(host: str, port: int, within: Reach, *, ends_at: float, limit: int) -> Link:
    """Connect to `host`. limit: bytes to read. The rest, and what is raised: see `dial`."""
    return Link(dial(host, port, within, ends_at=ends_at), ends_at, limit)


def dial(host: str, port: int, within: Reach, *, ends_at: float) -> socket.socket:
    """Connect to the first address of `host` that answers. All of them are judged before the first packet.

    ends_at: on the monotonic clock; each address has its share of the time until then.
    Raises TargetRefused, TargetUnresolvable, ResolverAway, TooLate, OSError.
    """
    found = resolver.addresses(host, left(ends_at))
    places = [(place, place.at(port)) for place in (destination(address, within, host) for address in found)]
    for tried, (place, where) in enumerate(places, start=1):
        sock = open_socket(place)
        try:
            sock.settimeout(left(ends_at) / (len(places) - tried + 1))
            sock.connect(where)
        except OSError as exc:
            sock.close()
            if tried == len(places):
                if isinstance(exc, TimeoutError):
                    raise TooLate("no answer in time") from exc
                raise
        else:
            return sock
    raise OSError(f"{host} has no address")


@contextmanager
def ending(sock: socket.socket, after_s: float) -> Iterator[None]:
    """Shut the connection down if the block lasts longer than `after_s`; for libraries that only time single reads."""
    twin = socket.socket(fileno=os.dup(sock.fileno()))  # TLS takes `sock` apart; both are the same connection
    timer = threading.Timer(after_s, _shut, (twin,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        twin.close()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # the peer was faster
        sock.shutdown(socket.SHUT_RDWR)


def left(ends_at: float) -> float:
    """Return the seconds until `ends_at`. Raises TooLate when there are none."""
    seconds = ends_at - time.monotonic()
    if seconds <= 0:
        raise TooLate("no answer in time")
    return seconds


def _own_service(address: str, port: int) -> Exception:
    why = f"Port {port} of {address} is a service of this installation itself, which is never reached."
    return Refusal(OWN_RULE, why, "Name another port.").error()


def _scope(zone: str) -> int:
    if not zone:
        return 0
    if zone.isdigit():
        return int(zone)
    try:
        return socket.if_nametoindex(zone)
    except OSError as exc:
        raise ValueError(f"there is no interface {zone!r}") from exc
