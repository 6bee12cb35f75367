"""What goes wrong on a real stack is put right from the command line: replay, cancel, pause, purge."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
from collections.abc import Iterator

import pytest

from shared import testing
from tests.e2e.conftest import Home

pytestmark = pytest.mark.e2e


@pytest.fixture
def paused(stack: Home) -> Iterator[str]:
    """The queue of ordinary scans, paused; it is open again afterwards."""
    assert stack.run("queues", "pause", "scan", "--reason", "a test").returncode == 0
    yield "scan"
    assert stack.run("queues", "resume", "scan").returncode == 0


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that accepts and says nothing: to identify it takes seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def _submit(stack: Home, port: int, *more: str) -> str:
    asked = ("scan", "host", "127.0.0.1", "--ports", str(port), "--report", "json", "--no-wait", "-o", "id", "-q")
    done = stack.run(*asked, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _job(stack: Home, job: str) -> dict[str, object]:
    return dict(json.loads(stack.run("jobs", "get", job, "-o", "json").stdout))


def _break(stack: Home, job: str) -> None:
    """Make the request of a job one that no scanner can carry out."""
    with contextlib.closing(sqlite3.connect(stack.folder / "home/data/vedette.db", timeout=10)) as database, database:
        [[request]] = database.execute("SELECT request FROM jobs WHERE id = ?", [job])
        asked = json.loads(request)
        wrong = json.dumps(asked | {"target": asked["target"] | {"ports": "many"}})
        database.execute("UPDATE jobs SET request = ? WHERE id = ?", [wrong, job])


def test_a_job_that_fails_is_explained_put_right_replayed_and_succeeds(stack: Home, greeter: int) -> None:
    stack.run("queues", "pause", "scan")
    job = _submit(stack, greeter)
    _break(stack, job)
    stack.run("queues", "resume", "scan")
    assert stack.run("jobs", "wait", job, "--timeout", "60s").returncode == 1
    testing.wait_for(lambda: bool(_letters(stack, job)), "its dead letter is listed")
    [letter] = _letters(stack, job)
    sheet = stack.run("dlq", "get", letter[-8:])
    assert job[-8:] in sheet.stdout
    assert "permanent" in sheet.stdout
    assert "dlq replay" in sheet.stderr
    assert letter[-8:] in stack.run("dlq", "list").stdout
    assert "1" in stack.run("dlq", "list", "--group").stdout
    assert "failed" in stack.run("jobs", "explain", job).stdout
    replayed = stack.run("dlq", "replay", letter[-8:], "--set", f"ports={greeter}", "--wait")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    found = _job(stack, job)
    assert (found["state"], found["run"]) == ("succeeded", 2)
    testing.wait_for(lambda: _state(stack, letter) == "resolved", "the dead letter is resolved")
    assert stack.run("dlq", "replay", letter).returncode == 6


def test_a_paused_queue_is_why_a_job_waits_and_it_goes_on_when_it_is_resumed(stack: Home, greeter: int) -> None:
    stack.run("queues", "pause", "scan", "--reason", "the firewall is replaced")
    job = _submit(stack, greeter)
    why = stack.run("jobs", "explain", job)
    assert why.returncode == 0
    assert "paused" in why.stdout
    assert "fix: vedette queues resume scan" in why.stdout
    explained = json.loads(stack.run("jobs", "explain", job, "-o", "json").stdout)
    assert explained["waiting"]["reason"] == "queue_paused"
    assert "queue_paused" in stack.run("jobs", "list", "--state", "queued").stdout
    assert "the firewall is replaced" in stack.run("queues", "list").stdout
    stack.run("queues", "resume", "scan")
    assert stack.run("jobs", "wait", job, "--timeout", "60s").returncode == 0


def test_jobs_that_wait_and_that_run_are_cancelled(stack: Home, mute: int) -> None:
    running = _submit(stack, mute)
    testing.wait_for(lambda: _job(stack, running)["state"] == "running", "it runs")
    assert stack.run("jobs", "cancel", running).returncode == 0
    ended = stack.run("jobs", "wait", running, "--timeout", "30s")
    assert ended.returncode == 1
    assert _job(stack, running)["state"] == "cancelled"
    assert stack.run("jobs", "cancel", running).returncode == 0


def test_many_are_cancelled_by_a_query_and_counted_first(stack: Home, paused: str, greeter: int) -> None:
    jobs = [_submit(stack, greeter, "--tag", "cancel=many") for _ in range(3)]
    which = ("jobs", "cancel", "-q", "tag:cancel=many")
    unasked = stack.run(*which)
    assert unasked.returncode == 2
    assert "Add --expect 3" in unasked.stderr
    assert stack.run(*which, "--expect", "2").returncode == 6
    done = stack.run(*which, "--expect", "3")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 cancelled" in done.stdout
    assert {_job(stack, job)["state"] for job in jobs} == {"cancelled"}


def test_a_cancelled_job_is_run_again_as_a_new_one(stack: Home, paused: str, greeter: int) -> None:
    job = _submit(stack, greeter)
    assert stack.run("jobs", "cancel", job).returncode == 0
    again = stack.run("jobs", "rerun", job, "-o", "json")
    assert again.returncode == 0, again.stderr
    [made] = json.loads(again.stdout)
    assert made["origin_id"] == job
    stack.run("queues", "resume", "scan")
    assert stack.run("jobs", "wait", made["id"], "--timeout", "60s").returncode == 0


def test_what_is_over_is_done_again_from_a_stage(stack: Home, greeter: int) -> None:
    job = _submit(stack, greeter)
    assert stack.run("jobs", "wait", job, "--timeout", "60s").returncode == 0
    resumed = stack.run("jobs", "resume", job, "--from", "report", "--wait")
    assert resumed.returncode == 0, resumed.stderr
    found = _job(stack, job)
    attempts = {step["stage"]: step["attempt"] for step in found["steps"] if not step["part"]}  # type: ignore[attr-defined]
    assert attempts["scan"] == 1
    assert attempts["report"] == 2


def test_a_queue_is_purged_by_its_count(stack: Home, greeter: int) -> None:
    stack.run("queues", "pause", "scan.background")
    jobs = [_submit(stack, greeter, "--priority", "low") for _ in range(3)]
    purge = ("queues", "purge", "scan.background")
    assert "3 jobs would be cancelled" in stack.run(*purge, "--dry-run").stdout
    unasked = stack.run(*purge)
    assert unasked.returncode == 2
    assert "Add --expect 3" in unasked.stderr
    done = stack.run(*purge, "--expect", "3")
    assert done.returncode == 0, done.stderr
    assert "3 jobs cancelled" in done.stdout
    assert {_job(stack, job)["state"] for job in jobs} == {"cancelled"}
    stack.run("queues", "resume", "scan.background")


def _letters(stack: Home, job: str) -> list[str]:
    found = json.loads(stack.run("dlq", "list", "--limit", "200", "-o", "json").stdout)
    return [letter["id"] for letter in found if letter["job_id"] == job]


def _state(stack: Home, letter: str) -> str:
    return str(json.loads(stack.run("dlq", "get", letter, "-o", "json").stdout)["state"])
