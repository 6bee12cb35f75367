"""Starts the children, restarts those that die, stops them all. Its own process: `python -m vedette.stack`.

Children are process groups of their own, so that none is left behind: the supervisor ends them by group, and the
guardian does it when the supervisor itself was killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import VedetteError
from vedette.stack import children, door, guardian, offspring, record
from vedette.stack.children import Child
from vedette.stack.errors import DidNotStart
from vedette.stack.guard import Guard
from vedette.stack.home import Layout
from vedette.stack.offspring import Forked
from vedette.stack.record import Record

START_TIMEOUT_S = 60.0  # a cold start on a slow disk compiles bytecode
STOP_GRACE_S = 10.0  # for everything; running stages have `children.STAGE_GRACE_S` of it, then their messages go back
STABLE_S = 60.0  # a child that lived this long has its restarts forgiven
LONGEST_WAIT_S = 30.0
POLL_S = 0.05
LOG_LIMIT_BYTES = 10 * 1024 * 1024  # a larger log is set aside at the next start of its child

Note = Callable[[str], None]
Process = subprocess.Popen[bytes] | Forked


@dataclass
class Watched:
    """A child under supervision."""

    child: Child
    process: Process | None = None
    started: float = 0.0
    restarts: int = 0
    restart_at: float = 0.0
    is_ready: bool = False
    note: str = ""

    @property
    def state(self) -> str:
        if self.process is None:
            return "waiting" if self.restart_at else "stopped"
        return "running" if self.is_ready else "starting"


@dataclass
class Supervisor:
    """One stack. `run` returns when it was told to stop or could not start."""

    where: Layout
    port: int
    note: Note
    lifeline: int | None = None
    on_ready: Callable[[str], None] | None = None  # is told the gateway's URL, once
    watched: dict[str, Watched] = field(default_factory=dict)
    is_stopping: bool = False

    def run(self) -> None:
        """Start everything, supervise until told to stop, stop everything. Raises AlreadyRunning or DidNotStart."""
        self.where.make()
        with record.held(self.where), door.held(self.port) as self.door:
            self.record = Record(os.getpid(), self.port)
            self.where.access_token()
            self.where.make_master_key()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, self._stop)
            with Guard() as self.guard:
                try:
                    self._start_all()
                    self._supervise()
                except VedetteError as exc:
                    self.record.note = f"{exc.message} {exc.cure}".strip()
                    self._tell("failed")
                    raise
                finally:
                    self._stop_all()

    def _start_all(self) -> None:
        """Server and gateway start while this process warms up; then the rest is forked from it."""
        self._tell("starting")
        os.umask(0o077)  # logs, database and AOF are nobody else's business
        environment = children.environment(self.where, self.port)
        os.environ.clear()  # what children are not told may not stand in the settings that they inherit either
        os.environ.update(environment)
        self._start(Watched(children.redis(self.where)))
        self._start(Watched(children.gateway(self.where)))
        offspring.warm()
        self._await(["redis"])
        self._migrate()
        rest = children.workers(self.where)
        for child in rest:
            if not self.is_stopping:
                self._start(Watched(child))
        self._await([*(child.name for child in rest), "gateway"])
        if not self.is_stopping:
            self._tell("ready")
            if self.on_ready:
                self.on_ready(self.record.url)
            self._say(f"ready at {self.record.url}")

    def _supervise(self) -> None:
        while not self.is_stopping:
            for one in self.watched.values():
                self._look_after(one)
            self._wait(POLL_S * 4)

    def _look_after(self, one: Watched) -> None:
        now = time.monotonic()
        if one.process is None:
            if one.restart_at and now >= one.restart_at:
                self._start_again(one)
            return
        if (code := one.process.poll()) is not None:
            self._bury(one, code)
            return
        if not one.is_ready and one.child.is_ready():
            one.is_ready = True
            self._tell()
        if one.restarts and now - one.started > STABLE_S:
            one.restarts = 0

    def _bury(self, one: Watched, code: int) -> None:
        """Note a death, and when the child is started again: half a second, then twice as long each time."""
        if one.process is not None:
            guardian.end({one.process.pid}, grace_s=1.0)  # pool children of a worker that was killed
            self.guard.forget(one.process.pid)
        wait_s = min(0.5 * 2**one.restarts, LONGEST_WAIT_S)
        one.process, one.is_ready = None, False
        one.restarts += 1
        one.restart_at = time.monotonic() + wait_s
        name, why = one.child.name, _reason(code)
        one.note = f"ended with {why}; restart {one.restarts}"
        self._say(f"{name} ended with {why}; starting it again in {wait_s:g} s (see: vedette logs {name})")
        self._tell()

    def _start_again(self, one: Watched) -> None:
        try:
            self._start(one)
        except OSError as exc:  # a full disk, no files left: it may pass
            one.restart_at = time.monotonic() + LONGEST_WAIT_S
            self._say(f"{one.child.name} cannot be started: {exc}; trying again in {LONGEST_WAIT_S:g} s")

    def _start(self, one: Watched) -> None:
        self.watched[one.child.name] = one
        one.child.before()
        one.process = self._spawn(one.child)
        one.started, one.restart_at, one.is_ready = time.monotonic(), 0.0, False
        self.guard.watch(one.process.pid)
        self._tell()

    def _spawn(self, child: Child) -> Process:
        log = self.where.logs / f"{child.name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        environment = children.environment(self.where, self.port)
        if child.is_forked:
            return offspring.fork(child.name, child.command, environment, log, self.where.root)
        with log.open("ab") as file:
            return subprocess.Popen(
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment | {"VEDETTE_GATEWAY_FD": str(self.door.fileno())},
                cwd=self.where.root,
                start_new_session=True,
                pass_fds=[self.door.fileno()] if child.needs_door else [],
            )

    def _await(self, names: list[str]) -> None:
        """Wait until these children are ready. Raises DidNotStart with the end of the log of the one that is not."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_stopping:
            missing = [self.watched[name] for name in names if not self.watched[name].is_ready]
            if not missing:
                return
            for one in missing:
                if one.process is not None and (code := one.process.poll()) is not None:
                    raise self._did_not_start(one, f"ended with {_reason(code)}")
                one.is_ready = one.child.is_ready()
            if time.monotonic() > deadline:
                raise self._did_not_start(missing[0], f"was not ready within {START_TIMEOUT_S:g} s")
            self._wait(POLL_S)

    def _did_not_start(self, one: Watched, what: str) -> DidNotStart:
        log = self.where.logs / f"{one.child.name}.log"
        lines = _tail(log, 3)
        return DidNotStart(
            f"{one.child.name} {what}: {lines or 'it said nothing.'}", cure=f"Read {log}, or run: vedette doctor"
        )

    def _migrate(self) -> None:
        log = self.where.logs / "migrate.log"
        environment = children.environment(self.where, self.port)
        code = offspring.fork("migrate", ["shared.store.migrate"], environment, log, self.where.root).wait(
            START_TIMEOUT_S
        )
        if code:
            raise DidNotStart(
                f"The database could not be brought up to date: {_tail(log, 1).rstrip('.')}.",
                cure="Check VEDETTE_DATABASE_URL.",
            )

    def _stop_all(self) -> None:
        """Workers, gateway and control first, together; the server when nobody needs it any more."""
        self._tell("stopping")
        alive = {name: one.process.pid for name, one in self.watched.items() if one.process is not None}
        server = alive.pop("redis", None)
        self._end(set(alive.values()), STOP_GRACE_S)
        if server is not None:
            self._end({server}, STOP_GRACE_S)
        for one in self.watched.values():
            one.process, one.restart_at, one.is_ready = None, 0.0, False
        self._tell("failed" if self.record.state == "failed" else "stopped")

    def _end(self, groups: set[int], grace_s: float) -> None:
        reaper = {one.process.pid: one.process for one in self.watched.values() if one.process is not None}
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM) if group not in reaper else reaper[group].terminate()
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline and any(reaper[group].poll() is None for group in groups):
            time.sleep(POLL_S)
        guardian.end(groups, grace_s=1.0)
        for group in groups:
            with contextlib.suppress(subprocess.TimeoutExpired):
                reaper[group].wait(timeout=2.0)
            self.guard.forget(group)

    def _tell(self, state: str = "") -> None:
        self.record.state = state or self.record.state
        self.record.children = [
            {
                "name": name,
                "pid": one.process.pid if one.process else None,
                "state": one.state,
                "restarts": one.restarts,
                "started_at": time.time() - (time.monotonic() - one.started) if one.process else None,
                "note": one.note,
            }
            for name, one in self.watched.items()
        ]
        try:
            self.record.write(self.where)
        except OSError as exc:  # a full disk must not take the stack down
            self._say(f"the state could not be written: {exc}")

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.note(text)

    def _wait(self, seconds: float) -> None:
        """Sleep, or notice that the process this stack was started for is gone."""
        if self.lifeline is None:
            time.sleep(seconds)
        elif select.select([self.lifeline], [], [], seconds)[0]:
            self.is_stopping = True

    def _stop(self, number: int, _frame: object) -> None:
        self.is_stopping = True
        del number


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):  # real-time signals have no name
        return signal.Signals(-code).name
    return f"signal {-code}"


def _tail(log: Path, lines: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - 4096, 0))
            return " / ".join(file.read().decode(errors="replace").strip().splitlines()[-lines:])
    except OSError:
        return ""
