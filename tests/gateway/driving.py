"""A gateway that runs, and jobs that go on as workers make them go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx2
import pytest

from gateway.__main__ import Server
from shared.contracts.job import StageName
from shared.layers import around
from shared.layers.delivery import Delivery
from shared.layers.ledger import Step
from shared.store import outbox
from shared.store.engine import reading

TOKEN = "correct-horse"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOSTS = frozenset({"127.0.0.1", "localhost"})
RAW = b'{"headers": {"id": "j.scan", "task": "scan.run"}, "properties": {}, "body": "[[], {}, {}]"}'
both_databases = pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)


class Served:
    """A running gateway and how to reach it."""

    def __init__(self, server: Server, thread: threading.Thread) -> None:
        self.server = server
        self.live = server.live
        port = server.servers[0].sockets[0].getsockname()[1]
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=BEARER, timeout=30)
        self._thread = thread

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(10)
        self.http.close()


def run_stage(job_id: str, stage: StageName, work: Callable[[Step], object] = lambda _: None) -> None:
    """Do one stage of a job as its worker would."""
    with reading() as connection:
        envelope, _ = outbox.envelope(connection, job_id)
    with around(stage, envelope, Delivery("worker@test", 0, 30.0)) as step:
        work(step)
        step.summary = "done"


def finish(job_id: str) -> None:
    """Do all stages of a job."""
    for stage in StageName:
        run_stage(job_id, stage)
