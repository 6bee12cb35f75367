"""A worker that falls silent is told of once, and once more when it is back; on a real stack, by a real webhook."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.testing import wait_for
from tests.e2e.conftest import Home, free_port
from tests.shared.notification.conftest import Receiver, receiver

__all__ = ["receiver"]  # the fixture

pytestmark = pytest.mark.e2e


@pytest.fixture
def watched(tmp_path: Path, receiver: Receiver) -> Iterator[Home]:
    made = Home(tmp_path)
    settings = {
        "VEDETTE_ALERT_NOTIFY": json.dumps([f"http://127.0.0.1:{receiver.port}/alerts"]),
        "VEDETTE_ALERT_HOLD_S": "1",
        "VEDETTE_ALERT_CALM_S": "1",
        "VEDETTE_NOTIFY_PRIVATE_ADDRESSES": "true",
        "VEDETTE_WEBHOOK_SECRET": "whsec_" + "A" * 32,
    }
    started = made.run("up", "--detach", "--port", str(free_port()), **settings)
    assert started.returncode == 0, started.stderr
    yield made
    assert made.run("down").returncode == 0


def told(receiver: Receiver) -> list[tuple[str, str, str]]:
    bodies = [json.loads(request.body) for request in receiver.requests]
    return [(body["type"], body["data"]["rule"], body["data"]["subject"]) for body in bodies]


def firing(home: Home) -> set[str]:
    listed = home.run("alerts", "list", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    return {alert["rule"] for alert in json.loads(listed.stdout)}


def test_a_worker_that_falls_silent_is_told_of_and_so_is_its_return(watched: Home, receiver: Receiver) -> None:
    assert firing(watched) == set()
    pid = watched.pid("scan")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert watched.run("scan", "host", "127.0.0.1", "--ports", "1", "--no-wait").returncode == 0
        wait_for(lambda: firing(watched) == {"worker_lost", "no_consumer"}, "both alerts", 60)
        listed = watched.run("alerts", "list")
        assert "fell silent" in listed.stdout
        assert "Start a worker of scan" in listed.stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: firing(watched) == set(), "both are over", 60)
    wait_for(lambda: len(receiver.requests) == 4, "all is told", 30)
    subjects = [("worker_lost", f"scan@{os.uname().nodename}"), ("no_consumer", "scan")]
    assert sorted(told(receiver)) == sorted(
        (kind, *subject) for kind in ("alert.firing", "alert.resolved") for subject in subjects
    )
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 4
    assert "resolved" in watched.run("alerts", "list", "--all").stdout


def test_the_gateway_tells_that_nobody_leads(watched: Home, receiver: Receiver) -> None:
    pid = watched.pid("control")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: "scheduler_stopped" in firing(watched), "the alert", 60)
        [alert] = json.loads(watched.run("alerts", "list", "-o", "json").stdout)
        looked_after = watched.run("alerts", "ack", alert["id"][-8:], "--reason", "on it", "-o", "json")
        assert json.loads(looked_after.stdout)["acknowledged_by"] == "token"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: firing(watched) == set(), "it is over", 60)
    wait_for(lambda: len(receiver.requests) == 2, "both are told", 30)
    assert told(receiver) == [(f"alert.{kind}", "scheduler_stopped", "control") for kind in ("firing", "resolved")]
    assert watched.run("alerts", "ack", alert["id"][-8:]).returncode == 6
