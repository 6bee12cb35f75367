"""One file per protocol. A file has the names of `Protocol` below, and the registry finds it.

Parsers are pure functions of bytes that raise NotSpoken and nothing else. Where TLS can begin inside the protocol there
is `async def starttls(conn)`: it brings a fresh connection to where the handshake begins, or raises NotSpoken.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol as Interface
from typing import cast

from services.scan.net.answer import Dial, Service
from services.scan.net.connection import Connection
from shared.registry import plugins


class Protocol(Interface):
    """What a protocol's file has.

    PORTS: where it is usually met; there it is tried first. TLS_PORTS: where it is usually inside TLS.
    GREETS: the server speaks first.
    """

    PORTS: frozenset[int]
    TLS_PORTS: frozenset[int]
    GREETS: bool

    @staticmethod
    def recognises(heard: bytes) -> bool:
        """Whether these first bytes from a server, a greeting or an error, are of this protocol."""

    @staticmethod
    async def probe(conn: Connection, dial: Dial) -> Service:
        """Talk on a fresh connection whose greeting is unread. Raises NotSpoken, Lost, Silent, TooMuch."""


@cache
def protocols() -> dict[str, Protocol]:
    """Return every protocol by name."""
    return {name: cast(Protocol, module) for name, module in plugins(__name__).items()}


def expected(port: int, *, tls: bool) -> list[str]:
    """Return the names of the protocols usually met on `port`, inside TLS or in clear."""
    return [name for name, it in protocols().items() if port in (it.TLS_PORTS if tls else it.PORTS)]


def recognised(heard: bytes) -> list[str]:
    """Return the names of the protocols that these first bytes may belong to."""
    return [name for name, it in protocols().items() if heard and it.recognises(heard)]
