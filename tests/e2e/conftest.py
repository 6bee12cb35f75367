"""One farm of real servers and one running stack for all end-to-end tests; each test has its own working folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import testing
from tests.services.scan.farm import Farm
from tests.services.scan.starters import STARTERS

VEDETTE = str(Path(sys.executable).with_name("vedette"))
COMMAND_S = 150  # a whole scan with a stack of its own, on a busy machine


@dataclass
class Home:
    """A state folder of its own, and the command line that uses it."""

    folder: Path

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [VEDETTE, *arguments],
            env=self.environment | environment,
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("VEDETTE_")}
        return clean | {"VEDETTE_HOME": str(self.folder / "home")}

    @property
    def record(self) -> dict[str, object]:
        return dict(json.loads((self.folder / "home/run/stack.json").read_text()))

    def pid(self, name: str) -> int:
        children: list[dict[str, object]] = self.record["children"]  # type: ignore[assignment]
        return int(str(next(child["pid"] for child in children if child["name"] == name)))

    def everybody(self) -> set[int]:
        """The pids of the supervisor and of every session that it started."""
        children: list[dict[str, object]] = self.record["children"]  # type: ignore[assignment]
        return {int(str(self.record["pid"])), *(int(str(child["pid"])) for child in children if child["pid"])}


def alive(sessions: set[int]) -> set[int]:
    """Return the pids that are, or belong to a session of, one of these; zombies do not count."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and fields[0] != "Z" and ({int(entry.name), int(fields[3])} & sessions):
            found.add(int(entry.name))
    return found


@pytest.fixture(scope="session")
def farm() -> Iterator[Farm]:
    servers = Farm(STARTERS)
    for name in ("sshd", "nginx", "exim", "redis", "postgres"):
        servers.start(name)
    yield servers
    servers.stop()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A state folder without a stack; whatever a test leaves running in it is stopped."""
    made = Home(tmp_path)
    yield made
    if (tmp_path / "home/run/stack.json").exists():
        made.run("down")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A running stack that tests share; they must not stop it."""
    made = Home(tmp_path_factory.mktemp("stack"))
    started = made.run(
        "up",
        "--detach",
        "--port",
        str(free_port()),
        VEDETTE_NOTIFY_PRIVATE_ADDRESSES="true",
        VEDETTE_WEBHOOK_SECRET="whsec_" + "A" * 32,
    )
    assert started.returncode == 0, started.stderr
    yield made
    assert made.run("down").returncode == 0


@pytest.fixture
def greeter() -> Iterator[int]:
    """A port that greets as an SSH server and says no more: all that a bare machine needs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with contextlib.suppress(OSError), peer:
                        peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def free_port() -> int:
    from vedette.stack.lifecycle import free_port

    return free_port()


def gone(sessions: set[int]) -> Callable[[], bool]:
    return lambda: not alive(sessions)


__all__ = ["Home", "alive", "free_port", "gone", "testing"]
