"""Open one connection for a conversation. (The sweep opens its own, thousands at a time: connect.py.)"""

from __future__ import annotations

import asyncio
import errno
import os

from services.scan.net.connection import Connection, Lost, Silent
from services.scan.net.endpoint import destination, is_self, open_socket

CONNECT_WAIT = 3.0  # seconds to open a connection for a conversation: one lost SYN (RFC 6298: 1 s) and a slow way
CONVERSATION = 12.0  # seconds one connection may last in all, however slowly its peer drips


async def dial(address: str, port: int, *, wait: float = CONNECT_WAIT, lasts: float = CONVERSATION) -> Connection:
    """Connect to one port. wait: seconds for the handshake. lasts: seconds the conversation may take in all.

    Raises Silent when nothing answers in time, Lost when the connection is refused or cannot be made.
    """
    where = destination(address)
    loop = asyncio.get_running_loop()
    try:
        sock = open_socket(where)
    except OSError as exc:
        raise Lost(f"No socket for {address} port {port}: {os.strerror(exc.errno or errno.EMFILE)}.") from exc
    try:
        async with asyncio.timeout(wait):
            await loop.sock_connect(sock, where.at(port))
        if is_self(sock):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
    except TimeoutError as exc:
        sock.close()
        raise Silent(f"{address} port {port} did not accept a connection within {wait:g} s.") from exc
    except OSError as exc:
        sock.close()
        raise Lost(f"{address} port {port} refused the connection: {exc.strerror}.") from exc
    except BaseException:
        sock.close()
        raise
    return Connection(sock, lasts=lasts)
