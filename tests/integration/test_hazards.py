"""What tasks can do to their workers, and that each ends in a dead letter while others go on."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import intervention, testing
from shared.broker import flags, keys, presence
from shared.broker.message import MAX_DELIVERIES
from shared.contracts.dead_letter import DeadLetterEntry, Reason
from shared.contracts.job import JobState, StageName
from shared.contracts.policy import PolicyChange
from shared.errors import BackOff, FailureClass
from shared.queue import app
from shared.store import policies
from shared.store.engine import writing
from tests.integration.conftest import Stack, built
from tests.shared.store.making import ORG

LIMITS = {
    "stage_memory_limit_mb": "768",
    "stage_cpu_limit_s": "2",
    "stage_open_files": "256",
    "stage_file_limit_mb": "64",
    "stop_grace_s": "2",
}
SERVICES = [stage.value for stage in StageName]


@pytest.fixture(scope="module")
def hazardous(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[str, Path], str]) -> Iterator[Stack]:
    """A stack whose scan service has the tasks of `hazards`."""
    folder = tmp_path_factory.mktemp("hazards")
    with built(folder, new_database("sqlite", folder), **LIMITS) as made:
        command = testing.worker("scan", 2)
        command[command.index("-A") + 1] = "tests.integration.hazards"
        made.commands["scan"] = command
        made.start(*SERVICES)
        yield made


def send(name: str, task_id: str, *args: Any, **options: Any) -> str:
    app.send_task(f"hazard.{name}", args, queue="scan", task_id=task_id, **options)
    return task_id


def letters(stack: Stack, task_id: str) -> list[DeadLetterEntry]:
    with stack.broker as client:
        found = [DeadLetterEntry.read(each.decode(), fields)[0] for each, fields in client.xrange(keys.DEAD_LETTERS)]
    return [letter for letter in found if letter.task_id == task_id]


def letter_of(stack: Stack, task_id: str) -> DeadLetterEntry:
    testing.wait_for(lambda: letters(stack, task_id), f"{task_id} is a dead letter")
    [letter] = letters(stack, task_id)
    return letter


@pytest.fixture
def same_worker(hazardous: Stack) -> Iterator[None]:
    """The main process of the scan worker outlives the test."""
    hazardous.start("scan")
    before = hazardous.workers["scan"].pid
    yield
    assert hazardous.workers["scan"].pid == before
    assert hazardous.workers["scan"].poll() is None


@pytest.mark.usefixtures("same_worker")
def test_a_task_that_kills_its_child_each_time_is_poison_and_delays_nobody(hazardous: Stack, banner: int) -> None:
    send("kill_child", "killer")
    jobs = [hazardous.submit("127.0.0.1", str(banner)) for _ in range(3)]
    letter = letter_of(hazardous, "killer")
    assert (letter.reason, letter.failure_class) == (Reason.POISON, FailureClass.RESOURCE)
    assert letter.deliveries == MAX_DELIVERIES
    assert "SIGKILL" in letter.error.message
    assert letter.worker.startswith("scan@")
    assert letter.queue == "scan"
    assert [hazardous.ended(job_id).state for job_id in jobs] == [JobState.SUCCEEDED] * 3


@pytest.mark.usefixtures("same_worker")
def test_the_memory_of_a_killed_child_is_known(hazardous: Stack) -> None:
    letter = letter_of(hazardous, send("eat_and_die", "eater"))
    assert letter.reason is Reason.POISON
    assert letter.memory_bytes is not None
    assert letter.memory_bytes > 200 * 1024 * 1024
    assert "memory was" in letter.error.message


@pytest.mark.usefixtures("same_worker")
@pytest.mark.parametrize(
    ("name", "reason", "failure_class", "deliveries", "said"),
    [
        ("leave", Reason.POISON, FailureClass.RESOURCE, MAX_DELIVERIES, "SystemExit(3)"),
        ("hog", Reason.TASK_FAILED, FailureClass.RESOURCE, 3, ""),
        ("burn", Reason.TASK_FAILED, FailureClass.RESOURCE, 3, "more than 2 s of CPU time"),
        ("open_everything", Reason.TASK_FAILED, FailureClass.RESOURCE, 3, "Too many open files"),
        ("write_forever", Reason.TASK_FAILED, FailureClass.RESOURCE, 3, "File too large"),
        ("fail", Reason.TASK_FAILED, FailureClass.PERMANENT, 1, "nobody expected this"),
        ("away", Reason.TASK_FAILED, FailureClass.INFRASTRUCTURE, MAX_DELIVERIES, "The disk is gone."),
        ("unpicklable", Reason.TASK_FAILED, FailureClass.PERMANENT, 1, "odd"),
    ],
)
def test_a_task_that_fails_is_tried_as_often_as_its_class_allows(
    hazardous: Stack, name: str, reason: Reason, failure_class: FailureClass, deliveries: int, said: str
) -> None:
    letter = letter_of(hazardous, send(name, name))
    assert (letter.reason, letter.failure_class, letter.deliveries) == (reason, failure_class, deliveries)
    assert said in letter.error.message
    assert letter.rule
    if reason is Reason.TASK_FAILED:
        assert "hazards.py" in letter.error.traceback


@pytest.mark.usefixtures("same_worker")
def test_the_hard_limit_ends_a_task_with_all_that_it_started(hazardous: Stack) -> None:
    letter = letter_of(hazardous, send("overrun", "overrun", soft_time_limit=0.5, time_limit=1.0))
    assert (letter.reason, letter.failure_class, letter.deliveries) == (Reason.HARD_LIMIT, FailureClass.RESOURCE, 3)
    assert "hard limit of 1 s" in letter.error.message
    assert descendants("overrun") == []


@pytest.mark.usefixtures("same_worker")
def test_a_cancelled_job_is_stopped_by_force_after_its_grace_and_not_counted(hazardous: Stack) -> None:
    send("linger", "flagged", {"job_id": "flagged-job"}, 60.0)
    runs = hazardous.folder / "flagged-job"
    testing.wait_for(runs.exists, "it runs")
    with hazardous.broker as client:
        flags.flag(client, ["flagged-job"])
        begun = time.monotonic()
        testing.wait_for(lambda: len(runs.read_text().split()) == 2, "it runs again")
        assert 4.0 < time.monotonic() - begun < 12.0
        testing.wait_for(lambda: client.hlen(keys.UNACKED) == 0, "it ends")
    assert letters(hazardous, "flagged") == []
    assert descendants("flagged-job") == []


@pytest.mark.usefixtures("same_worker")
def test_a_stage_that_does_not_notice_its_cancellation_is_killed_and_the_job_cancelled(
    hazardous: Stack, tarpit: int
) -> None:
    job_id = hazardous.submit("127.0.0.1", str(tarpit))
    testing.wait_for(lambda: hazardous.step(job_id, StageName.SCAN).progress is not None, "the scan runs")
    before = children_of(hazardous)
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    assert intervention.cancel_one(ORG, job_id, "ann").state is JobState.CANCELLING
    testing.wait_for(lambda: set(before) - set(children_of(hazardous)), "the child is killed")
    for pid in set(before) & set(children_of(hazardous)):
        os.kill(pid, signal.SIGCONT)
    assert hazardous.ended(job_id).state is JobState.CANCELLED
    assert letters(hazardous, f"{job_id}.scan") == []


def test_a_task_that_kills_its_worker_each_time_is_poison_too(hazardous: Stack, banner: int) -> None:
    hazardous.start("scan")
    send("kill_worker", "assassin")
    job = hazardous.submit("127.0.0.1", str(banner))

    def is_buried() -> bool:
        hazardous.start("scan")
        return bool(letters(hazardous, "assassin"))

    testing.wait_for(is_buried, "it is buried", 90.0)
    letter = letter_of(hazardous, "assassin")
    assert (letter.reason, letter.deliveries) == (Reason.POISON, MAX_DELIVERIES)
    assert hazardous.ended(job).state is JobState.SUCCEEDED


def test_a_worker_that_stops_lets_its_tasks_end_and_takes_leave(hazardous: Stack) -> None:
    hazardous.start("scan")
    with hazardous.broker as client:
        testing.wait_for(lambda: "scan" in {record.service for record in presence.live(client)}, "it is known")
        send("linger", "brief", {"job_id": "brief"}, 1.0)
        testing.wait_for((hazardous.folder / "brief").exists, "it runs")
        code = stop(hazardous)
        assert code == 0
        assert client.hlen(keys.UNACKED) == 0
        assert "scan" not in {record.service for record in presence.live(client) + presence.lost(client)}
        assert client.llen("scan") == 0


def test_a_worker_that_stops_gives_back_what_is_not_done_in_time(hazardous: Stack) -> None:
    hazardous.start("scan")
    send("linger", "long", {"job_id": "long"}, 60.0)
    testing.wait_for((hazardous.folder / "long").exists, "it runs")
    begun = time.monotonic()
    stop(hazardous)
    assert time.monotonic() - begun < 10.0
    with hazardous.broker as client:
        assert client.hlen(keys.UNACKED) == 0
        [raw] = client.lrange("scan", 0, -1)
        assert b"x-deliveries" not in raw
    assert descendants("long") == []
    hazardous.start("scan")
    testing.wait_for(lambda: len((hazardous.folder / "long").read_text().split()) == 2, "it runs again")


def children_of(stack: Stack) -> list[int]:
    pid = stack.workers["scan"].pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stop(stack: Stack) -> int:
    worker = stack.workers["scan"]
    worker.send_signal(signal.SIGTERM)
    return worker.wait(30)


def descendants(name: str) -> list[str]:
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _reads(path, f"descendant-of-{name}")]
    return [path.parent.name for path in found]


def _reads(path: Path, text: str) -> bool:
    with contextlib.suppress(OSError):
        return text.encode() in path.read_bytes()
    return False


@pytest.mark.usefixtures("same_worker")
def test_a_job_that_burns_its_cpu_time_ends_as_resource_and_the_next_one_runs(hazardous: Stack, banner: int) -> None:
    at_once = PolicyChange(retries=0, back_off=BackOff.NONE)
    with writing(ORG) as connection:
        policies.change(connection, ORG, FailureClass.RESOURCE, at_once, "ann")
    try:
        burning = hazardous.submit("127.0.0.1", "65533")
        failed = next(step for step in hazardous.ended(burning).steps if step.stage is StageName.SCAN)
        after = hazardous.ended(hazardous.submit("127.0.0.1", str(banner)))
    finally:
        with writing(ORG) as connection:
            policies.reset(connection, ORG, FailureClass.RESOURCE)
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.failure_class) == ("cpu-time-exceeded", FailureClass.RESOURCE)
    assert after.state is JobState.SUCCEEDED
