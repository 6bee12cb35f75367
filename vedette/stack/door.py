"""The gateway's listening socket, held by the supervisor for as long as the stack runs.

Nobody else can take the port while the gateway is restarted, and be sent the tokens meant for it; connections made
meanwhile wait for the new gateway.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from vedette.stack.errors import PortTaken

HOST = "127.0.0.1"
BACKLOG = 1024


@contextlib.contextmanager
def held(port: int) -> Iterator[socket.socket]:
    """Listen on `port` of loopback for the block. Raises PortTaken."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen(BACKLOG)
        except OSError as exc:
            raise PortTaken(
                f"Port {port} cannot be used: {exc.strerror}.", cure="Choose another: vedette up --port 8001"
            ) from exc
        yield listening


def is_free(port: int) -> bool:
    """Say whether `port` could be had now."""
    try:
        with held(port):
            return True
    except PortTaken:
        return False
