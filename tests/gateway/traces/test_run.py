"""Runs and attempts, as the timeline tells them."""

from __future__ import annotations

from gateway.traces.run import Attempt, attempts, runs
from shared.contracts.events import EventType
from shared.contracts.job import JobState
from tests.gateway.traces.making import BEGUN, at, event, finished, job, retrying, run, started


def ends(*attempted: Attempt) -> list[tuple[int, str, bool]]:
    return [(each.number, each.part, each.is_lost) for each in attempted]


def test_an_attempt_ends_with_the_event_of_its_step() -> None:
    [first, second] = attempts(run(job(9), started(1), retrying(2, 5), started(6, 2), finished(8)))
    assert (first.ended_at, first.next_at, first.failure and first.failure.code) == (at(2), at(5), "no-answer")
    assert (second.number, second.ended_at, second.failure) == (2, at(8), None)
    assert ends(first, second) == [(1, "", False), (2, "", False)]


def test_one_that_nobody_ended_is_lost_when_the_step_is_taken_again() -> None:
    [first, second] = attempts(run(job(), started(1), started(7, 2)))
    assert (first.is_lost, first.ended_at) == (True, at(7))
    assert (second.is_lost, second.ended_at) == (False, None)


def test_one_whose_message_became_a_dead_letter_of_a_dead_worker_is_lost() -> None:
    dead = {"code": "poison", "failure_class": "permanent", "message": "Killed.", "is_dead": True}
    [only] = attempts(run(job(9), started(1), event(EventType.STAGE_FAILED, 8, "scan", **dead)))
    assert (only.is_lost, only.failure and only.failure.code) == (True, "poison")


def test_parts_end_with_their_stage_and_everything_with_the_job() -> None:
    html = started(2, 1, "report", "html")
    found = attempts(run(job(9), started(1, 1, "report"), html, finished(4, "report"), started(5, 1, "notify")))
    assert ends(*found) == [(1, "", False), (1, "html", True), (1, "", False)]
    over = attempts(run(job(9), started(5), event(EventType.JOB_FINISHED, 9, state="cancelled")))
    assert ends(*over) == [(1, "", True)]


def test_each_run_has_its_trace_its_time_and_its_events() -> None:
    events = [
        *BEGUN,
        started(1),
        event(EventType.JOB_FINISHED, 3, state="failed"),
        event(EventType.JOB_REVIVED, 100, run=2, last_trace_id="a" * 32),
        event(EventType.JOB_QUEUED, 100),
        started(101),
    ]
    [first, second] = runs(job(run=2), events)
    assert (first.trace_id, first.began_at, first.ended_at, first.state) == ("a" * 32, at(0), at(3), JobState.FAILED)
    assert (second.began_at, second.ended_at, second.is_last) == (at(100), None, True)
    assert [len(attempts(each)) for each in (first, second)] == [1, 1]
