"""What the supervisor tells others: one JSON file, replaced as a whole, and a lock that is held while it lives."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from vedette.stack.errors import AlreadyRunning
from vedette.stack.home import Layout, write_private


@dataclass(frozen=True)
class ChildStatus:
    """One child. `state`: starting, running, waiting (to be restarted), silent (no heart-beat), stopped."""

    name: str
    pid: int | None
    state: str
    restarts: int = 0
    uptime_s: float | None = None
    note: str = ""


@dataclass
class Record:
    """The stack as it is now. `state`: starting, ready, stopping, failed."""

    pid: int
    port: int
    state: str = "starting"
    note: str = ""
    started_at: float = field(default_factory=time.time)
    children: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, where: Layout) -> None:
        write_private(where.record, json.dumps(asdict(self)))


def read(where: Layout) -> Record | None:
    """Return the record of the last stack, whether it lives or not."""
    try:
        return Record(**json.loads(where.record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def lives(where: Layout) -> bool:
    """Say whether some process holds the lock."""
    try:
        with where.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextlib.contextmanager
def held(where: Layout) -> Iterator[None]:
    """Hold the lock for the block. The kernel lets go of it however this process ends. Raises AlreadyRunning."""
    with where.lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise already_running(where) from exc
        os.set_inheritable(file.fileno(), False)
        yield


def already_running(where: Layout) -> AlreadyRunning:
    found = read(where)
    what = f"at {found.url} (pid {found.pid})" if found else f"in {where.root}"
    return AlreadyRunning(f"A stack is already running {what}.", cure="Use it, or stop it first: vedette down")
