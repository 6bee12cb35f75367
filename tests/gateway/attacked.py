"""A gateway in a process of its own, to be attacked byte by byte."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from shared import testing
from shared.testing import wait_for
from tests.gateway.driving import TOKEN

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
KNOWN = f"Authorization: Bearer {TOKEN}\r\n".encode()


class Gateway:
    """A process that is attacked."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def answers(self) -> bool:
        with suppress(OSError), self.connect() as link:
            link.sendall(GET + b"Connection: close\r\n\r\n")
            return b"200 OK" in read(link)
        return False

    def memory(self) -> int:
        """Return the resident bytes of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


@contextmanager
def attacked(log: Path, around: Sequence[str] = (), **settings: str) -> Iterator[Gateway]:
    """Run a gateway on the store of this test. around: a command that executes its arguments."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {f"VEDETTE_{name.upper()}": value for name, value in settings.items()}
    command = [*around, sys.executable, "-m", "gateway"]
    with testing.process(command, {"VEDETTE_GATEWAY_PORT": str(port), **environment}, log) as process:
        made = Gateway(process, port, log)
        wait_for(made.answers, "the gateway answers")
        yield made


def read(link: socket.socket) -> bytes:
    """Return all that comes until the connection ends."""
    got = b""
    with suppress(ConnectionError):
        while chunk := link.recv(65536):
            got += chunk
    return got
