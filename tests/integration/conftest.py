"""The four real services on a real Redis, on SQLite and on PostgreSQL, and a receiver that counts notifications."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import bus, testing
from shared.contracts.job import JobView, StageName, StepView
from shared.contracts.submission import Options
from shared.pipeline import submit
from shared.settings import settings
from shared.store import jobs
from shared.store.engine import reading
from tests import broker
from tests.conftest import forget
from tests.receiver import Receiver
from tests.shared.store.making import make, new_job

END_S = 60.0  # a job of a second, on a machine with a hundred other things to do
REPORTS = ["html", "json"]


@dataclass
class Stack:
    """Workers, each a process group of its own, and what they work on."""

    folder: Path
    environment: dict[str, str]
    receiver: Receiver
    processes: ExitStack
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)

    def start(self, *services: str) -> None:
        for service in services:
            if service in self.workers and self.workers[service].poll() is None:
                continue
            command = self.commands.get(service) or testing.worker(service)
            made = testing.process(command, self.environment, self.folder / f"{service}.log")
            self.workers[service] = self.processes.enter_context(made)
        for service in services:
            testing.wait_for(partial(self.is_ready, service), f"{service} is ready", END_S)

    def is_ready(self, service: str) -> bool:
        beat = self.folder / f"vedette-{service}.alive"
        return beat.exists() and beat.read_text() == str(self.workers[service].pid)

    def kill(self, service: str) -> None:
        """SIGKILL for the worker and its children, as a machine that loses its power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.workers[service].pid, signal.SIGKILL)
        self.workers[service].wait(10)

    def child(self, service: str) -> int:
        """The pid of the process that runs the tasks of a worker of one."""
        pid = self.workers[service].pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def submit(self, host: str, ports: str) -> str:
        target = new_job(host, options=Options(reports=REPORTS), parts={StageName.REPORT: REPORTS})
        [job_id] = make(replace(target, target=target.target.model_copy(update={"ports": ports})))
        submit([job_id])
        return job_id

    def view(self, job_id: str) -> JobView:
        with reading() as connection:
            return jobs.view(connection, job_id)

    def step(self, job_id: str, stage: StageName) -> StepView:
        return next(step for step in self.view(job_id).steps if step.stage is stage and not step.part)

    def ended(self, job_id: str) -> JobView:
        testing.wait_for(lambda: self.view(job_id).state.is_terminal, f"job {job_id} ends", END_S)
        return self.view(job_id)

    def lines(self) -> list[dict[str, Any]]:
        """What the workers logged that is JSON: Celery says a few words of its own before the logs are set up."""
        found = []
        for log in self.folder.glob("*.log"):
            for line in log.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict)]

    def events(self, job_id: str) -> list[dict[str, Any]]:
        entries: Any = bus.client().xrange(bus.STREAM)
        events = [bus.opened(json.loads(json.loads(entry[b"__data__"])["data"])) for _, entry in entries]
        return [event.model_dump(mode="json") for event in events if event.job_id == job_id]

    @property
    def broker(self) -> redis.Redis:
        url = self.environment["VEDETTE_REDIS_URL"]
        return redis.Redis.from_url(f"{url}?db={settings().redis_broker_db}")


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_database: Callable[[str, Path], str],
) -> Iterator[Stack]:
    """A stack that modules share, its settings those of this process too. Its workers start in a test."""
    folder = tmp_path_factory.mktemp("stack")
    with built(folder, new_database(request.param, folder)) as made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def own_stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_database: Callable[[str, Path], str],
) -> Iterator[Stack]:
    """A stack of one module, no worker of which runs at first."""
    folder = tmp_path_factory.mktemp("stack")
    with built(folder, new_database(request.param, folder)) as made:
        yield made


@contextmanager
def built(folder: Path, database_url: str, **more: str) -> Iterator[Stack]:
    """A stack on a Redis of its own; `more` are settings, without the prefix of their variables."""
    with Receiver() as receiver, ExitStack() as processes, pytest.MonkeyPatch.context() as patch:
        server = processes.enter_context(testing.redis_server())
        environment = {
            "VEDETTE_DATABASE_URL": database_url,
            "VEDETTE_REDIS_URL": server.url,
            "VEDETTE_RUN_DIR": str(folder),
            "VEDETTE_LOG_FORMAT": "json",
            "VEDETTE_STAGE_SOFT_LIMIT_S": "8",
            "VEDETTE_STAGE_HARD_LIMIT_S": "10",
            "VEDETTE_LEASE_S": "2",
            "VEDETTE_NOTIFY": json.dumps([f"http://127.0.0.1:{receiver.port}/hook"]),
            "VEDETTE_NOTIFY_PRIVATE_ADDRESSES": "true",
            "VEDETTE_PRIVATE_TARGETS": "true",
            "VEDETTE_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
            **{f"VEDETTE_{name.upper()}": value for name, value in more.items()},
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        forget()
        made = Stack(folder, environment, receiver, processes)
        with broker.pointed():
            yield made
        for service in made.workers:
            made.kill(service)
    forget()


@pytest.fixture
def banner() -> Iterator[int]:
    """A port whose server greets and says no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with contextlib.suppress(OSError), peer:
                        peer.sendall(b"SSH-2.0-OpenSSH_9.6 odd\x00\xff\r\n")

        threading.Thread(target=greet, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def tarpit() -> Iterator[int]:
    """A port that connects and never answers: identifying what is there takes seconds."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield int(listener.getsockname()[1])
