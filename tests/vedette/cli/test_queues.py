"""`vedette queues` and `workers` against a real gateway and broker."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.contracts.queues import ActiveTask, BrokerMemory, Pause, QueueList, QueueView, WorkerView
from shared.ids import new_id, now
from tests.vedette.cli.test_process import Terminals, until
from tests.vedette.lab import Lab, Vedette
from vedette.cli import gauges, words, workers
from vedette.cli.session import Session


@pytest.fixture
def waiting(lab: Lab, vedette: Vedette) -> Iterator[str]:
    """A job that waits in `scan.background`, where nobody takes it; emptied in the end."""
    held = ("scan", "host", "127.0.0.1", "--ports", "1", "--priority", "low", "--tag", "do=hold", "-o", "id")
    yield vedette(*held).out.strip()
    lab.release.touch()


def _queue(vedette: Vedette, name: str) -> dict[str, object]:
    queues = json.loads(vedette("queues", "list", "-o", "json").out)
    return dict(next(queue for queue in queues if queue["name"] == name))


def test_all_queues_are_listed_in_every_format(lab: Lab, vedette: Vedette) -> None:
    names = vedette("queues", "list", "-o", "id").out.split()
    assert names == ["scan.realtime", "scan", "scan.heavy", "scan.background", "process", "report", "notify"]
    table = vedette("queues", "list").out
    assert all(name in table for name in names)
    assert vedette("queues", "depth", "-o", "csv").out.startswith("name,waiting,by_priority")


def test_a_queue_is_paused_with_a_reason_and_resumed(lab: Lab, vedette: Vedette) -> None:
    paused = vedette("queues", "pause", "scan.heavy", "--reason", "new firewall")
    assert paused.code == 0
    assert "vedette queues resume scan.heavy" in paused.err
    assert "new firewall" in vedette("queues", "list").out
    assert _queue(vedette, "scan.heavy")["paused"]
    assert vedette("queues", "resume", "scan.heavy").code == 0
    assert _queue(vedette, "scan.heavy")["paused"] is None


def test_an_unknown_queue_names_those_there_are(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("queues", "pause", "nope")
    assert ran.code == 5
    assert "scan.heavy" in ran.err


def test_a_queue_is_purged_by_its_count(waiting: str, vedette: Vedette) -> None:
    found = json.loads(vedette("queues", "purge", "scan.background", "--dry-run", "-o", "json").out)
    count = str(found["jobs"] + found["messages"])
    assert found["jobs"] >= 1
    assert "would be cancelled" in vedette("queues", "purge", "scan.background", "--dry-run").out
    unasked = vedette("queues", "purge", "scan.background")
    assert unasked.code == 2
    assert f"Add --expect {count}" in unasked.err
    assert vedette("queues", "purge", "scan.background", "--expect", "999").code == 6
    assert vedette("queues", "purge", "scan.background", "--expect", count).code == 0
    assert vedette("jobs", "list", "-q", f"id:{waiting}", "-o", "csv", "--fields", "state").out == "state\ncancelled\n"
    assert "Nothing waits" in vedette("queues", "purge", "scan.background", "--dry-run").out


def test_the_depth_is_watched_until_ctrl_c(lab: Lab, terminals: Terminals) -> None:
    child, screen = terminals.run(80, "queues", "depth", "--watch")
    assert "scan.background" in until(screen, "notify")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130


def test_bars_and_colours_say_where_it_is_stuck(capsys: pytest.CaptureFixture[str]) -> None:
    stuck = QueueView(name="scan", stage="scan", waiting=40, by_priority={"low": 1, "urgent": 39}, oldest_age_s=600)
    paused = QueueView(
        name="process",
        stage="process",
        waiting=1,
        consumers=1,
        slots=2,
        paused=Pause(by="ann", at=now(), reason="new firewall"),
    )
    found = QueueList(items=[stuck, paused], memory=BrokerMemory(alarm="The broker is 86 % full."))
    gauges.show(Session(), found)
    out = capsys.readouterr().out
    assert "no worker takes from it" in out
    assert "paused by ann: new firewall" in out
    assert "86 % full" in out
    depth = gauges.depth(found, words.ASCII).plain.splitlines()
    assert "############" in depth[1]
    assert "39 urgent - 1 low" in depth[1]
    assert "10 m" in depth[1]


def test_workers_are_shown_with_what_they_have_in_their_hands(capsys: pytest.CaptureFixture[str]) -> None:
    at = now()
    job = new_id()
    worker = WorkerView(
        hostname="scan@box",
        service="scan",
        pid=1,
        queues=["scan", "scan.heavy"],
        concurrency=2,
        busy=1,
        active=[ActiveTask(task_id=f"{job}.scan", job_id=job, stage="scan", since=at)],
        started_at=at - timedelta(hours=3),
        seen_at=at,
    )
    workers._show(Session(), [worker])
    line = capsys.readouterr().out.splitlines()[1]
    for said in ("scan@box", "1/2", "3 h", job[-8:], "scan, scan.heavy"):
        assert said in line


def test_no_worker_is_told_on_stderr(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("workers", "list")
    assert (ran.code, ran.out) == (0, "")
    assert "vedette up" in ran.err
