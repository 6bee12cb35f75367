"""`up`, `down`, and a stack for one command. Everything here talks to a supervisor through its record and its lock."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import InvalidInput
from vedette.stack import door, owner, record
from vedette.stack.children import SERVICES, STAGE_GRACE_S, beat_of
from vedette.stack.errors import DidNotStart
from vedette.stack.home import Layout, layout
from vedette.stack.record import ChildStatus, Record
from vedette.stack.supervisor import START_TIMEOUT_S, STOP_GRACE_S, Supervisor

DEFAULT_PORT = 8000
POLL_S = 0.05
SILENT_S = 30.0  # a worker that reconnects to its broker does not beat for up to 20 s

Note = Callable[[str], None]


@dataclass(frozen=True)
class Access:
    """How to reach the gateway of the local stack."""

    url: str
    token: str = field(repr=False)


def connect() -> Access | None:
    """Return the way to the running local stack, or None when none is ready. Waits for one that is starting."""
    where = layout()
    deadline = time.monotonic() + START_TIMEOUT_S
    while record.lives(where) and time.monotonic() < deadline:
        found = record.read(where)
        if found and found.state == "ready":
            return Access(found.url, where.access_token())
        if found and found.state in {"stopping", "failed"}:
            return None
        time.sleep(POLL_S)
    return None


@contextlib.contextmanager
def running(on_note: Note) -> Iterator[Access]:
    """Use the running stack, or start one for the block and stop it after, even when this process is killed.

    Raises DidNotStart, NoServer or HomeUnusable.
    """
    if found := connect():
        yield found
        return
    where = layout()
    on_note("starting the local stack for this command (keep one running: vedette up --detach)")
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as lifeline:
        process = _spawn(where, free_port(), reading)
        try:
            yield _ready(where, process)
        finally:
            on_note("stopping the local stack")
            lifeline.close()
            _await_end(process)


def up(port: int | None, *, detach: bool, on_note: Note) -> None:
    """Start the stack: in this process until it is told to stop, or in the background.

    Raises AlreadyRunning, PortTaken, DidNotStart, NoServer or HomeUnusable.
    """
    where = layout()
    where.make()
    if record.lives(where):
        raise record.already_running(where)
    port = port or DEFAULT_PORT
    with door.held(port):
        pass  # the supervisor takes it; this is only to say so at once when it cannot
    if not detach:
        Supervisor(where, port, on_note, on_ready=lambda url: owner.ensure(where, url, on_note)).run()
        return
    access = _ready(where, _spawn(where, port))
    owner.ensure(where, access.url, on_note)
    on_note(f"ready at {access.url}")


def down(on_note: Note) -> bool:
    """Stop the running stack and wait for its end. Returns False when none runs."""
    where = layout()
    found = record.read(where)
    if not record.lives(where) or found is None:
        return False
    on_note(f"stopping the stack (pid {found.pid}); running stages have {STAGE_GRACE_S:g} s to end")
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + 3 * STOP_GRACE_S
    while record.lives(where) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    if record.lives(where):
        on_note("it did not stop; killing it")
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGKILL)
    return True


def status() -> list[ChildStatus]:
    """Return the children of the running stack; empty when none runs."""
    where = layout()
    found = record.read(where)
    if found is None or not record.lives(where):
        return []
    return [_child_status(where, child) for child in found.children]


def logs(services: Sequence[str]) -> dict[str, Path]:
    """Return the log files of these children (all that exist when none is named). Raises InvalidInput."""
    where = layout()
    known = ["stack", "redis", "gateway", "control", *SERVICES]
    if wrong := [name for name in services if name not in known]:
        raise InvalidInput(f"There is no service {wrong[0]!r}.", cure=f"There is: {', '.join(known)}.")
    files = {name: where.logs / f"{name}.log" for name in services or known}
    return {name: file for name, file in files.items() if services or file.exists()}


def free_port() -> int:
    """Return a TCP port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _spawn(where: Layout, port: int, lifeline: int | None = None) -> subprocess.Popen[bytes]:
    where.make()
    command = [sys.executable, "-m", "vedette.stack", "--port", str(port)]
    if lifeline is not None:
        command += ["--lifeline", str(lifeline)]
    with (where.logs / "stack.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=() if lifeline is None else (lifeline,),
        )


def _ready(where: Layout, process: subprocess.Popen[bytes]) -> Access:
    while True:
        ended = process.poll() is not None
        found = record.read(where)
        mine: Record | None = found if found and found.pid == process.pid else None
        if mine and mine.state == "ready":
            return Access(mine.url, where.access_token())
        if ended:
            why = mine.note if mine and mine.note else f"the supervisor ended; read {where.logs / 'stack.log'}"
            raise DidNotStart(f"The local stack did not start: {why}", cure="Look closer: vedette doctor")
        time.sleep(POLL_S)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=3 * STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=STOP_GRACE_S)


def _child_status(where: Layout, child: dict[str, object]) -> ChildStatus:
    started, name, state = child["started_at"], str(child["name"]), str(child["state"])
    if state == "running" and (beat := beat_of(where, name)).exists():
        age = time.time() - beat.stat().st_mtime
        if age > SILENT_S:
            state = "silent"
    uptime = round(time.time() - float(str(started)), 1) if started else None
    pid = int(str(child["pid"])) if child["pid"] else None
    return ChildStatus(name, pid, state, int(str(child["restarts"])), uptime, str(child["note"]))
