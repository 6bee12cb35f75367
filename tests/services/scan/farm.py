"""Real servers on private loopback ports, each started at most once and next to the others that are needed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.services.scan.certificates import write_certificates

START_WAIT = 30.0  # seconds until a server must listen; MariaDB on a busy machine takes ten
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

Ports = dict[str, int]
Starter = Callable[["Farm", Path], Ports]


class Missing(Exception):
    """A server program is not installed, or cannot run here."""


class Farm:
    """Starts servers and stops all of them at the end."""

    def __init__(self, starters: dict[str, Starter]) -> None:
        self._starters = starters
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._started: dict[str, Future[Ports]] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.folder = Path(tempfile.mkdtemp(prefix="farm-"))
        self.folder.chmod(0o755)  # servers that change their user must reach their files
        self.certificates = write_certificates(self.folder)

    def start(self, name: str) -> Future[Ports]:
        if name not in self._started:
            folder = self.folder / name
            folder.mkdir()
            folder.chmod(0o777)
            self._started[name] = self._pool.submit(self._starters[name], self, folder)
        return self._started[name]

    def ports(self, name: str) -> Ports:
        """Return the ports of a server; without it the test is skipped, or fails where all servers must be there."""
        try:
            return self.start(name).result(timeout=2 * START_WAIT)
        except Missing as exc:
            if os.environ.get("VEDETTE_TEST_ALL") == "1":
                pytest.fail(str(exc))
            pytest.skip(str(exc))

    def run(self, folder: Path, *argv: str, ports: Ports) -> Ports:
        """Start a server in the foreground and return its ports once the last of them accepts connections."""
        log = folder / "output.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program(argv[0]), *argv[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
            )
        self._processes.append(process)
        for port in ports.values():
            _await_port(port, process, log)
        return ports

    def stop(self) -> None:
        self._pool.shutdown(wait=True)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if not found:
        raise Missing(f"{name} is not installed.")
    return found


def prepare(*argv: str) -> None:
    """Run a program that sets a server up, to its end."""
    done = subprocess.run([program(argv[0]), *argv[1:]], capture_output=True, timeout=START_WAIT, check=False)
    if done.returncode:
        raise Missing(f"{argv[0]} failed: {done.stderr.decode(errors='replace')[-300:]}")


def free_ports(*names: str) -> Ports:
    """Return a free loopback port for each name."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: sock.getsockname()[1] for name, sock in zip(names, sockets, strict=True)}
    for sock in sockets:
        sock.close()
    return ports


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_WAIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise Missing(f"{log.parent.name} does not listen on {port}: {log.read_text(errors='replace')[-500:]}")
