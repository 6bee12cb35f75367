"""What a drill hurts: one child of the local stack, which the stack's own record names. Never anything else."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Conflict
from vedette.stack import record
from vedette.stack.home import Layout, layout

POLL_S = 0.05


class NoVictim(Conflict):
    """The stack has no such child now, or what has its number is not a child of the stack."""


@dataclass(frozen=True)
class Victim:
    """A child of the running stack."""

    name: str
    pid: int

    def kill(self) -> float:
        """Kill it and what it started with SIGKILL, and return the time of that. Raises NoVictim."""
        _check(layout(), self.name, self.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return time.time()

    def await_successor(self, timeout_s: float) -> float | None:
        """Return the seconds until the supervisor had another one running; None when it had not in time."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            child = _child(layout(), self.name)
            if child and child["pid"] not in {None, self.pid} and child["state"] == "running":
                return time.monotonic() - began
            time.sleep(POLL_S)
        return None


def victim(name: str) -> Victim:
    """Return the child of this name of the running stack. Raises NoVictim."""
    where = layout()
    child = _child(where, name)
    if child is None or child["pid"] is None:
        raise NoVictim(f"The stack has no {name} that runs now.", cure="vedette status")
    pid = int(str(child["pid"]))
    _check(where, name, pid)
    return Victim(name, pid)


def _child(where: Layout, name: str) -> dict[str, object] | None:
    found = record.read(where)
    if found is None or not record.lives(where):
        return None
    return next((child for child in found.children if child["name"] == name), None)


def _check(where: Layout, name: str, pid: int) -> None:
    """See that `pid` leads a session of its own and is a child of the supervisor: numbers are given away again."""
    found = record.read(where)
    child = _child(where, name)
    try:
        is_leader = os.getsid(pid) == pid and os.getuid() == Path(f"/proc/{pid}").stat().st_uid
    except ProcessLookupError:
        is_leader = False
    except FileNotFoundError:
        is_leader = os.getsid(pid) == pid  # no /proc here
    parent = _parent(pid)
    if found is None or child is None or child["pid"] != pid or not is_leader or parent not in {None, found.pid}:
        raise NoVictim(f"Process {pid} is not the {name} of the stack any more.", cure="Try again: vedette status")


def _parent(pid: int) -> int | None:
    """Return the parent's number, None where there is no /proc to tell."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
