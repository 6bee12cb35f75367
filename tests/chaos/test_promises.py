"""What is promised whatever dies, in small numbers and with short leases. All of it, in full size: `make chaos`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import testing
from shared.contracts.job import StageName
from tests.chaos import faults, hostile, kills, lease, letters, storm, submission, verdict
from tests.chaos.cells import Cell, Instant, Who
from tests.chaos.faults import Fault
from tests.chaos.stack import CONTROL, GATEWAY, STAGES, Stack
from tests.chaos.stack import stack as made_stack
from tests.conftest import missing

pytestmark = pytest.mark.chaos

SHORT = {"lease_s": "3", "republish_after_s": "2", "reconcile_every_s": "1"}
REDIS_FAULTS = faults.redis_faults(freeze_s=7.0, away_s=5.0, full_s=3.0)  # a freeze is longer than two leases

# Each instant for child and worker, each stage at least twice.
CELLS = [
    Cell(stage, instant, who)
    for place, (instant, who) in enumerate((instant, who) for instant in Instant for who in (Who.CHILD, Who.WORKER))
    for stage in [tuple(StageName)[(place + place // 4) % 4]]
]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack of all tests here but two. Two can scan and two can judge at once: nothing is once by chance."""
    try:
        with made_stack("sqlite", **SHORT) as made:
            made.start(*STAGES, "scan2", "process2", CONTROL, GATEWAY)
            yield made
    except testing.Missing as exc:
        missing(str(exc))


@pytest.fixture(scope="module")
def expected(stack: Stack) -> verdict.Outcome:
    return verdict.reference(stack)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.stage}, {cell.instant}, {cell.who}")
def test_a_kill_at_any_instant_loses_and_doubles_nothing(stack: Stack, expected: verdict.Outcome, cell: Cell) -> None:
    assert kills.strike(stack, cell, expected).faults == []


@pytest.mark.parametrize("fault", REDIS_FAULTS, ids=lambda fault: fault.name)
def test_jobs_outlive_what_happens_to_redis(stack: Stack, expected: verdict.Outcome, fault: Fault) -> None:
    assert faults.run(stack, fault, expected).faults == []


def test_jobs_outlive_a_locked_database(stack: Stack, expected: verdict.Outcome) -> None:
    [fault] = faults.database_faults(away_s=8.0)
    assert faults.run(stack, fault, expected).faults == []


def test_the_task_of_a_killed_worker_runs_again_soon(stack: Stack, expected: verdict.Outcome) -> None:
    result = lease.again_after_kill(stack, expected)
    assert (result.faults, result.seconds < 3 * stack.lease_s) == ([], True)


def test_a_task_longer_than_its_lease_runs_once(stack: Stack, expected: verdict.Outcome) -> None:
    assert lease.long_task(stack, expected, 3 * stack.lease_s).faults == []


def test_a_second_message_does_not_run_its_stage_beside_the_first(stack: Stack, expected: verdict.Outcome) -> None:
    assert lease.second_message(stack, expected, 2 * stack.lease_s).faults == []


def test_an_orphan_does_not_go_on_beside_its_successor(stack: Stack, expected: verdict.Outcome) -> None:
    assert lease.orphan(stack, expected, 2 * stack.lease_s).faults == []


def test_a_worker_whose_clock_is_wrong_takes_nothing_from_others(stack: Stack, expected: verdict.Outcome) -> None:
    assert lease.wrong_clock(stack, expected, 2 * stack.lease_s).faults == []


def test_a_job_runs_whose_gateway_died_after_the_commit(stack: Stack, expected: verdict.Outcome) -> None:
    assert submission.run(stack, expected).faults == []


def test_hostile_messages_become_dead_letters_and_hurt_nobody(stack: Stack, expected: verdict.Outcome) -> None:
    assert [fault for result in hostile.run(stack, expected) for fault in result.faults] == []


@pytest.mark.parametrize("stage", [StageName.PROCESS, StageName.REPORT])
def test_a_replayed_job_repeats_no_stage_that_had_succeeded(stack: Stack, stage: StageName) -> None:
    assert letters.resumed(stack, stage).faults == []


def test_all_jobs_of_a_storm_end_once(stack: Stack, expected: verdict.Outcome) -> None:
    result = storm.run(stack, 60, storm.Plan(redis_kills=1, timeout_s=60.0), expected)
    assert result.faults == []


def test_dead_letters_replayed_twice_at_once_are_sent_once() -> None:
    with made_stack("sqlite", **SHORT) as own:
        found = {result.name: result.faults for result in letters.run(own, 300)}
    assert {name: wrong for name, wrong in found.items() if wrong not in ([], ["too slow"])} == {}


def test_jobs_outlive_a_stopped_postgresql() -> None:
    try:
        with made_stack("postgres", **SHORT) as own:
            own.start(*STAGES, CONTROL)
            [fault] = faults.database_faults(away_s=8.0)
            assert faults.run(own, fault, verdict.reference(own)).faults == []
    except testing.Missing as exc:
        missing(str(exc))
