"""The process works, lives through an outage, stops at once; a second one takes over when the first is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared import heartbeat, testing
from shared.ids import now
from shared.store import outbox
from shared.store.engine import reading
from tests.shared.store.making import make

STOP_S = 5.0
TAKEOVER_S = 15.0
SLACK_S = 10.0  # for a machine with other things to do


class Controls:
    """Control processes, each with a folder of its own."""

    def __init__(self, folder: Path, server: testing.RedisServer, database: str, processes: ExitStack) -> None:
        self._folder, self._processes = folder, processes
        self._environment = {
            "VEDETTE_REDIS_URL": server.url,
            "VEDETTE_DATABASE_URL": database,
            "VEDETTE_REPUBLISH_AFTER_S": "0",
            "VEDETTE_RECONCILE_EVERY_S": "0.1",
            "VEDETTE_LOG_FORMAT": "json",
        }

    def start(self, name: str) -> subprocess.Popen[bytes]:
        folder = self._folder / name
        folder.mkdir()
        environment = {**self._environment, "VEDETTE_RUN_DIR": str(folder)}
        made = testing.process([sys.executable, "-m", "control"], environment, folder / "log")
        return self._processes.enter_context(made)

    def said(self, name: str, event: str) -> bool:
        lines = (self._folder / name / "log").read_text(encoding="utf-8").splitlines()
        return any(json.loads(line).get("event") == event for line in lines if line.startswith("{"))

    def beats(self, name: str) -> bool:
        return (self._folder / name / heartbeat.path("control").name).exists()


@pytest.fixture
def controls(tmp_path: Path, server: testing.RedisServer, database: str) -> Iterator[Controls]:
    with ExitStack() as processes:
        yield Controls(tmp_path, server, database, processes)


def unpublished() -> list[str]:
    with reading() as connection:
        return outbox.unpublished(connection, now())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_it_publishes_lives_through_an_outage_and_stops_at_once(
    server: testing.RedisServer, controls: Controls
) -> None:
    server.stop(9)
    make()
    process = controls.start("one")
    testing.wait_for(lambda: controls.said("one", "control.leader.unknown"), "the outage is told of")
    assert controls.beats("one")
    server.start()
    testing.wait_for(lambda: not unpublished(), "the job is published")
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_S) == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_second_stands_by_and_takes_over(controls: Controls) -> None:
    first = controls.start("first")
    testing.wait_for(lambda: controls.said("first", "control.leader.elected"), "the first leads")
    second = controls.start("second")
    testing.wait_for(lambda: controls.beats("second"), "the second stands by")
    assert not controls.said("second", "control.leader.elected")

    first.kill()
    make()
    testing.wait_for(lambda: not unpublished(), "the second works", TAKEOVER_S + SLACK_S)
    assert controls.said("second", "control.leader.elected")

    controls.start("third")
    testing.wait_for(lambda: controls.beats("third"), "the third stands by")
    second.send_signal(signal.SIGTERM)
    assert second.wait(STOP_S) == 0
    testing.wait_for(lambda: controls.said("third", "control.leader.elected"), "the third leads")
