"""Real workers: each task runs once, whatever becomes of the broker, and again where its worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from shared import testing
from shared.broker import keys
from shared.broker.message import read
from shared.queue import app
from shared.settings import settings
from tests import broker
from tests.conftest import forget
from tests.shared.broker.conftest import fill, letters, waiting

LEASE_S = 2.0
ROUND_S = 20.0  # for what takes a second or two, where others use the machine too


@dataclass
class Site:
    """A broker and workers of the lane `scan`, each of one child."""

    folder: Path
    server: testing.RedisServer
    client: redis.Redis
    running: ExitStack

    def worker(self, name: str, lease_s: float = LEASE_S) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name}.log"
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
        command = [sys.executable, "-m", "celery", "-A", "tests.shared.broker.workload", "worker", "-Q", "scan", "-c"]
        environment = {"VEDETTE_LEASE_S": str(lease_s)}
        made = testing.process([*command, "1", "-n", f"{name}@%h", *quiet], environment, log, Path.cwd())
        started = self.running.enter_context(made)
        testing.wait_for(lambda: f"{name}@" in log.read_text() and " ready." in log.read_text(), f"{name} is ready", 60)
        return started

    def send(self, name: str, seconds: float, again: float = 0.0, **options: float) -> None:
        app.send_task("workload.note", (name, seconds, again), queue="scan", task_id=f"{name}.scan", **options)

    def runs(self, word: str, name: str) -> int:
        return (self.folder / "runs").read_text().splitlines().count(f"{word} {name}")

    def begun(self, name: str, times: int = 1, within_s: float = ROUND_S) -> None:
        testing.wait_for(lambda: self.runs("begin", name) >= times, f"{name} has begun {times} times", within_s)

    def ended(self, name: str, within_s: float = ROUND_S) -> None:
        testing.wait_for(lambda: self.runs("end", name) >= 1 and self.is_idle(), f"{name} has ended", within_s)

    def is_idle(self) -> bool:
        with suppress(redis.RedisError):
            return self.client.hlen(keys.UNACKED) == 0 and not waiting(self.client)
        return False

    def ran_once(self, name: str) -> bool:
        return (self.runs("begin", name), self.runs("end", name)) == (1, 1)


Pair = tuple[Site, list[subprocess.Popen[bytes]]]


@contextmanager
def made(folder: Path) -> Iterator[Site]:
    """A site that the settings and the app of this process name."""
    (folder / "runs").touch()
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        server = running.enter_context(testing.redis_server())
        patch.setenv("VEDETTE_REDIS_URL", server.url)
        patch.setenv("VEDETTE_DATABASE_URL", f"sqlite:///{folder}/none.db")
        patch.setenv("WORKLOAD_RUNS", str(folder / "runs"))
        forget()
        client = running.enter_context(redis.Redis.from_url(server.url, socket_timeout=5))
        running.enter_context(broker.pointed())
        yield Site(folder, server, client, running)
    forget()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with made(tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A site with two workers that outlive every test that uses them."""
    with made(tmp_path_factory.mktemp("pair")) as site:
        yield site, [site.worker("one"), site.worker("two")]


@pytest.fixture(autouse=True)
def _all_alive(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "pair" in request.fixturenames:
        _, workers = request.getfixturevalue("pair")
        assert [worker.poll() for worker in workers] == [None, None]


def test_a_task_longer_than_a_lease_and_one_for_later_run_once(pair: Pair) -> None:
    site, _ = pair
    start = time.monotonic()
    site.send("long", 2.5 * LEASE_S)
    site.send("later", 0.0, countdown=2.5 * LEASE_S)
    site.ended("later")
    assert time.monotonic() - start > 2 * LEASE_S
    site.ended("long")
    assert site.ran_once("long")
    assert site.ran_once("later")


def test_a_task_for_later_outlives_its_connection(pair: Pair) -> None:
    """Celery drops it with the connection; its message goes back, and whoever takes it waits for its time anew."""
    site, _ = pair
    site.send("later-cut", 0.0, countdown=3 * LEASE_S)
    testing.wait_for(lambda: site.client.hlen(keys.UNACKED) == 1, "it is taken")
    [tag] = site.client.hkeys(keys.UNACKED)
    site.client.client_kill_filter(_type="normal", skipme=True)
    testing.wait_for(lambda: site.client.hkeys(keys.UNACKED) not in ([tag], []), "it is taken again")
    [entry] = site.client.hvals(keys.UNACKED)
    assert read(entry).deliveries == 1
    site.ended("later-cut")
    assert site.ran_once("later-cut")


def test_many_tasks_run_once_each(pair: Pair) -> None:
    site, _ = pair
    for number in range(50):
        site.send(f"many-{number}", 0.0)
    testing.wait_for(lambda: site.runs("end", "many-49") and site.is_idle(), "all have ended", ROUND_S)
    assert all(site.ran_once(f"many-{number}") for number in range(50))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["restarted", "killed"])
def test_a_redis_that_restarts_leaves_a_running_task_alone(pair: Pair, how: signal.Signals) -> None:
    site, _ = pair
    name = f"restart-{how}"
    site.client.config_set("appendfsync", "always")
    site.send(name, 3.0)
    site.begun(name)
    site.server.stop(how)
    site.server.start()
    site.send(f"{name}-next", 0.0)
    site.ended(f"{name}-next")
    site.ended(name)
    assert site.ran_once(name)
    assert site.ran_once(f"{name}-next")


def test_a_task_that_ends_while_redis_is_away_is_acknowledged_later(pair: Pair) -> None:
    site, _ = pair
    site.client.config_set("appendfsync", "always")
    site.send("ends", 1.0)
    site.begun("ends")
    site.server.stop()
    testing.wait_for(lambda: site.runs("end", "ends"), "it ends")
    end = time.monotonic() + 8.0  # where Celery's own pauses would have grown to 6 s
    testing.wait_for(lambda: time.monotonic() > end, "time passes")
    site.server.start()
    site.send("ends-next", 0.0)
    site.begun("ends-next", within_s=4.0)
    site.ended("ends")
    assert site.ran_once("ends")


def test_killed_connections_leave_a_running_task_alone(pair: Pair) -> None:
    site, _ = pair
    site.send("cut", 3.0)
    site.begun("cut")
    for _ in range(3):
        site.client.client_kill_filter(_type="normal", skipme=True)
    site.send("cut-next", 0.0)
    site.ended("cut-next")
    site.ended("cut")
    assert site.ran_once("cut")
    assert site.ran_once("cut-next")


def test_a_frozen_redis_leaves_a_running_task_alone(pair: Pair) -> None:
    site, _ = pair
    site.send("frozen", 2.5 * LEASE_S + 3)
    site.begun("frozen")
    assert site.server.running is not None
    site.server.running.send_signal(signal.SIGSTOP)
    end = time.monotonic() + 2.5 * LEASE_S
    testing.wait_for(lambda: time.monotonic() > end, "more than two leases pass")
    site.server.running.send_signal(signal.SIGCONT)
    site.send("frozen-next", 0.0)
    site.ended("frozen-next", 40)
    site.ended("frozen", 40)
    assert site.ran_once("frozen")
    assert site.ran_once("frozen-next")


def test_a_full_redis_loses_nothing_and_kills_nobody(pair: Pair) -> None:
    site, _ = pair
    for number in range(4):
        site.send(f"full-{number}", 0.5)
    fill(site.client)
    try:
        for number in range(4):
            site.ended(f"full-{number}")
    finally:
        site.client.config_set("maxmemory", 0)
    assert all(site.ran_once(f"full-{number}") for number in range(4))


def test_entries_that_are_no_messages_stop_nobody(pair: Pair) -> None:
    site, _ = pair
    before = len(letters(site.client))
    garbage = [b"5", b"null", b"[1]", b"\xff", b'{"properties": {}}', b"x" * 2_000_000]
    site.client.lpush("scan", *garbage)
    site.client.lpush("scan", '{"properties": {"delivery_tag": "odd"}, "headers": [1]}')
    site.send("after", 0.0)
    site.ended("after")
    assert len(letters(site.client)) == before + len(garbage) + 1


def test_a_killed_workers_task_runs_again_within_fifteen_seconds(site: Site) -> None:
    """With the lease that is the default."""
    default = type(settings()).model_fields["lease_s"].default
    victim = site.worker("victim", default)
    site.send("orphan", 600.0)
    site.begun("orphan")
    site.worker("heir", default)
    os.killpg(victim.pid, signal.SIGKILL)
    killed = time.monotonic()
    site.begun("orphan", 2, 15.0)
    assert time.monotonic() - killed > default / 2
    site.ended("orphan")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT], ids=["warm", "cold"])
def test_a_worker_that_stops_gives_back_what_it_holds_uncounted(site: Site, how: signal.Signals) -> None:
    stopped = site.worker(f"stopped-{how}", 60.0)
    site.send("kept", 0.0, countdown=600.0)
    testing.wait_for(lambda: site.client.hlen(keys.UNACKED) == 1, "it is taken")
    stopped.send_signal(how)
    stopped.wait(20)
    [given_back] = waiting(site.client)
    assert given_back["headers"]["id"] == "kept.scan"
    assert keys.DELIVERIES not in given_back["headers"]
