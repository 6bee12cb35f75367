"""A stack to break: real servers, real workers that a supervisor starts again, a target, a receiver that counts.

The settings of this process are those of the stack, so that a test submits and looks as the gateway would.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from shared import pipeline, testing
from shared.contracts.job import JobView, StageName
from shared.contracts.kinds.host import Target
from shared.contracts.submission import Options
from shared.errors import Infrastructure
from shared.ids import now
from shared.settings import settings
from shared.store import jobs, migrate
from shared.store.engine import reading, writing
from tests import broker
from tests.chaos import notes
from tests.conftest import forget
from tests.receiver import Receiver
from vedette.client import Client

STAGES = tuple(stage.value for stage in StageName)
FORMATS = ["html", "json"]
READY_S = 60.0
STRIKE_S = 10.0  # from the end of a job to the place after it, on a busy machine
RESTART_S = 0.5  # after a death, like the stack of a laptop
CONTROL = "control"
GATEWAY = "gateway"
TOKEN = "chaos"  # of a gateway that lives for minutes, on loopback


@dataclass
class Member:
    """A process that is started again when it dies."""

    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    died: float = 0.0
    is_kept: bool = True


@dataclass
class Stack:
    """Everything of one run. `members` by name: a stage, or a stage and a number."""

    folder: Path
    sort: str
    server: testing.RedisServer
    postgres: testing.PostgresServer | None
    environment: dict[str, str]
    receiver: Receiver
    target: Receiver
    members: dict[str, Member] = field(default_factory=dict)
    dead: list[int] = field(default_factory=list)  # main processes that died, whose children may live
    kills_orphans: bool = True  # as systemd, containers and the local stack do when a worker's main process dies
    lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self, *names: str, concurrency: int = 1, environment: Mapping[str, str] | None = None) -> None:
        """Start workers called `scan`, `scan2`, …, `control` and `gateway`, those that do not run; wait for all."""
        for name in [name for name in names if name not in self.members]:
            own = {"VEDETTE_RUN_DIR": str(self.folder / name), "CHAOS_DIR": str(self.folder), **(environment or {})}
            command = _ALONE.get(name)
            if command is None:
                own["CHAOS_STAGE"] = name.rstrip("0123456789")
                command = _worker(name, concurrency)
            with self.lock:
                self.members[name] = Member(command, self.environment | own)
                self._launch(name)
        self.ready(*names)

    def ready(self, *names: str) -> None:
        for name in names or tuple(self.members):
            testing.wait_for(lambda one=name: self.is_ready(one), f"{name} is ready", READY_S)  # type: ignore[misc]

    def is_ready(self, name: str) -> bool:
        process = self.members[name].process
        beats = list((self.folder / name).glob("*.alive"))
        return process is not None and any(beat.read_text() == str(process.pid) for beat in beats)

    def pid(self, name: str) -> int:
        process = self.members[name].process
        assert process is not None, f"{name} does not run"
        return process.pid

    def children(self, name: str) -> list[int]:
        """The pids of the processes that run the tasks of a worker."""
        pid = self.pid(name)
        with contextlib.suppress(OSError):
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def kill(self, name: str) -> float:
        """SIGKILL for a worker with all its children; returns when."""
        return self._kill(-self.pid(name))

    def kill_child(self, name: str) -> None:
        for child in self.children(name)[:1]:
            self._kill(child)

    def _kill(self, victim: int) -> float:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        notes.write(self.folder, notes.KILLED, victim=victim)
        return time.monotonic()

    def end(self, name: str) -> None:
        """Stop a worker for good, as a deployment does: what it holds goes back at once."""
        with self.lock:
            member = self.members.pop(name)
        if member.process is not None:
            testing.end(member.process)

    def supervise(self, stop: threading.Event) -> None:
        """Start again what died, until `stop` is set."""
        while not stop.wait(0.05):
            with self.lock:
                for name in list(self.members):
                    self._look_after(name)
                for group in [group for group in self.dead if not _lives(group)]:
                    self.dead.remove(group)
                    notes.write(self.folder, notes.KILLED, victim=-group)

    def _look_after(self, name: str) -> None:
        member = self.members[name]
        if member.process is not None and member.process.poll() is not None:
            if self.kills_orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(member.process.pid, signal.SIGKILL)
            self.dead.append(member.process.pid)
            member.process, member.died = None, time.monotonic()
        if member.process is None and member.is_kept and time.monotonic() - member.died >= RESTART_S:
            self._launch(name)

    def _launch(self, name: str) -> None:
        member = self.members[name]
        environment = {**os.environ, **member.environment}
        with (self.folder / f"{name}.log").open("ab") as log:
            member.process = subprocess.Popen(
                member.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def submit(self, count: int = 1, **options: Any) -> list[str]:
        """Write jobs and publish them as the gateway does: whether or not the broker takes them."""
        ids = self.write(count, **options)
        self.publish(ids)
        return ids

    def publish(self, ids: list[str]) -> None:
        with contextlib.suppress(Infrastructure):
            pipeline.submit(ids)

    def write(self, count: int = 1, **fields: Any) -> list[str]:
        """Write jobs that nobody has published."""
        target = Target(host=self.target.address, ports=str(self.target.port))
        options = Options(reports=FORMATS, **fields)
        deadline = now() + timedelta(hours=1)
        new = jobs.NewJob("local", target, options, "scan", deadline, parts={StageName.REPORT: FORMATS})
        with writing() as connection:
            return jobs.create(connection, [new] * count)

    def views(self, ids: list[str]) -> list[JobView]:
        with reading() as connection:
            return jobs.views(connection, ids)

    def wait(self, ids: list[str], timeout_s: float) -> list[JobView]:
        """Wait until all jobs are terminal, or the time is up; return how they stand then."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(Infrastructure):
                if all(view.state.is_terminal for view in self.views(ids)):
                    break
            time.sleep(0.1)
        return self.views(ids)

    def arm(self, stage: str, instant: str, who: str) -> None:
        (self.folder / "fired").unlink(missing_ok=True)
        draft = self.folder / "armed.draft"
        draft.write_text(json.dumps({"stage": stage, "instant": instant, "who": who}))
        draft.rename(self.folder / "armed")

    def has_fired(self) -> bool:
        """Whether the victim came to its place. A job's end can be read before whoever wrote it comes there."""
        try:
            testing.wait_for((self.folder / "fired").exists, "somebody came to die", STRIKE_S)
        except AssertionError:
            return False
        finally:
            (self.folder / "armed").unlink(missing_ok=True)
        return True

    def break_stage(self, stage: str, message: str = "") -> None:
        """Have a stage fail for good with this message, or with an empty one work again."""
        file = self.folder / f"broken-{stage}"
        file.write_text(message) if message else file.unlink(missing_ok=True)

    def make_deadly(self, stage: str, job_id: str, who: str) -> None:
        """Have this stage of a job kill whoever works on it, a child or its whole worker, every time."""
        (self.folder / f"deadly-{stage}-{job_id}").write_text(who)

    def slow(self, stage: str, seconds: float) -> None:
        """How long every run of a stage takes from now on, on top of its own time."""
        (self.folder / f"slow-{stage}").write_text(str(seconds))

    def wait_for_quiet(self, timeout_s: float) -> bool:
        """Wait until the broker has no message, neither waiting nor in somebody's hands; say whether that came."""
        deadline = time.monotonic() + timeout_s
        with self.broker as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(redis.RedisError):
                    if not broker.waiting(client) and not client.hlen("unacked"):
                        return True
                time.sleep(0.1)
        return False

    def notes(self) -> list[notes.Note]:
        return notes.read(self.folder)

    @property
    def client(self) -> Client:
        """The gateway as users reach it. Close it."""
        return Client(f"http://127.0.0.1:{settings().gateway_port}", TOKEN, timeout_s=60.0)

    @property
    def lease_s(self) -> float:
        return settings().lease_s

    @property
    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(f"{self.server.url}?db={settings().redis_broker_db}")

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """PostgreSQL is stopped; SQLite's file is locked by somebody else's exclusive transaction."""
        if self.postgres is not None:
            self.postgres.stop()
            try:
                yield
            finally:
                self.postgres.start()
            return
        with contextlib.closing(sqlite3.connect(self.folder / "v.db", timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")


@contextmanager
def stack(sort: str, **chosen: str) -> Iterator[Stack]:
    """A stack on `sqlite` or `postgres` whose workers are yet to be started. `chosen` are settings, without prefix."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        server = exits.enter_context(testing.redis_server())
        postgres = exits.enter_context(testing.postgres()) if sort == "postgres" else None
        receiver, target = exits.enter_context(Receiver()), exits.enter_context(_target())
        own = {
            "DATABASE_URL": postgres.url if postgres else f"sqlite:///{folder}/v.db",
            "REDIS_URL": server.url,
            "RUN_DIR": str(folder),
            "TOKEN": TOKEN,
            "MASTER_KEY": testing.MASTER_KEY,
            "GATEWAY_PORT": str(_free_port()),
            "LOG_FORMAT": "json",
            "NOTIFY": json.dumps([f"http://127.0.0.1:{receiver.port}/hook"]),
            "NOTIFY_PRIVATE_ADDRESSES": "true",
            "PRIVATE_TARGETS": "true",
            "WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
            **{name.upper(): value for name, value in chosen.items()},
        }
        environment = {f"VEDETTE_{name}": value for name, value in own.items()}
        exits.enter_context(_these(environment))
        migrate.upgrade()
        made = Stack(folder, sort, server, postgres, environment, receiver, target)
        exits.enter_context(broker.pointed())
        exits.enter_context(_supervised(made))
        yield made


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _worker(name: str, concurrency: int) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
    size = ["--hostname", f"{name}@%h", "--concurrency", str(concurrency)]
    return [sys.executable, "-m", "celery", "-A", "tests.chaos.points", "worker", *size, *quiet]


_ALONE = {
    CONTROL: [sys.executable, "-m", "control"],
    GATEWAY: [sys.executable, "-m", "tests.chaos.door"],
}


def _target() -> Receiver:
    """A web server where one is expected, so that a scan takes no second; on an address of this run alone."""
    return Receiver(f"127.{os.getpid() // 250 % 250}.{os.getpid() % 250}.{int(time.monotonic()) % 250 + 1}", 8080)


@contextmanager
def _supervised(made: Stack) -> Iterator[None]:
    stop = threading.Event()
    keeper = threading.Thread(target=made.supervise, args=(stop,), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        for member in made.members.values():
            if member.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(member.process.pid, signal.SIGKILL)
                member.process.wait(10)


@contextmanager
def _these(environment: Mapping[str, str]) -> Iterator[None]:
    before = {name: value for name, value in os.environ.items() if name.startswith("VEDETTE_")}
    _set(environment, list(before))
    try:
        yield
    finally:
        _set(before, list(environment))


def _set(wanted: Mapping[str, str], gone: list[str]) -> None:
    for name in gone:
        os.environ.pop(name, None)
    os.environ.update(wanted)
    forget()
