"""Open one connection for a conversation. (The sweep opens its own, thousands at a time: connect.py.)"""

from __future__ import annotations

import asyncio
import errno
import os
import socket

from services.scan.net.connection import PATIENCE, Connection, Lost, Silent
from shared.egress import Destination, SocketAddress, is_self, open_socket

CONNECT_WAIT = 3.0  # seconds to open a connection for a conversation: one lost SYN (RFC 6298: 1 s) and a slow way
CONVERSATION = 12.0  # seconds one connection may last in all, however slowly its peer drips


async def dial(where: Destination, port: int, *, patience: float = PATIENCE, authority: str = "") -> Connection:
    """Connect to one port. patience: seconds for one answer. authority: see Connection.

    Raises Silent when nothing answers in time, Lost when the connection is refused or cannot be made, TargetRefused.
    """
    address, place = where.address, where.at(port)
    try:
        sock = open_socket(where)
    except OSError as exc:
        raise Lost(f"No socket for {address} port {port}: {os.strerror(exc.errno or errno.EMFILE)}.") from exc
    try:
        await _connect(sock, place)
    except TimeoutError as exc:
        sock.close()
        raise Silent(f"{address} port {port} did not accept a connection within {CONNECT_WAIT:g} s.") from exc
    except OSError as exc:
        sock.close()
        raise Lost(f"{address} port {port} refused the connection: {exc.strerror}.") from exc
    except BaseException:
        sock.close()
        raise
    return Connection(sock, lasts=CONVERSATION, patience=patience, authority=authority)


async def _connect(sock: socket.socket, where: SocketAddress) -> None:
    async with asyncio.timeout(CONNECT_WAIT):
        await asyncio.get_running_loop().sock_connect(sock, where)
    if is_self(sock):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
