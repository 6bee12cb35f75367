"""What nobody recorded is told by the ledger; what somebody recorded is not told twice."""

from __future__ import annotations

from gateway.traces import ledger
from gateway.traces.row import Row
from gateway.traces.run import Run, attempts
from shared.contracts.events import EventType
from shared.contracts.job import StageName, StepState
from shared.contracts.trace import Segment, SpanState
from tests.gateway.traces.making import (
    BEGUN,
    MS,
    ZERO,
    at,
    event,
    finished,
    job,
    retrying,
    row,
    run,
    started,
    step,
)

Told = tuple[str, int, int, SpanState]
OK, ERROR, LIVE, LOST = SpanState


def missing(of: Run, *recorded: Row, now: float = 1000) -> list[Told]:
    found = ledger.missing(of, attempts(of), recorded, at(now))
    return sorted(
        ((each.name, (each.began - ZERO) // MS, (each.ended - ZERO) // MS, each.state) for each in found),
        key=lambda told: told[1:3],
    )


def spanned(name: str, began: int, ended: int, segment: Segment = Segment.RUN) -> Row:
    return row(name, began, ended, "job", segment=segment, stage=StageName.SCAN)


def test_without_spans_it_is_the_whole_trace() -> None:
    of = run(job(95), started(10), retrying(20, 50), started(60, 2), finished(90))
    assert missing(of) == [
        ("wait scan", 0, 10, OK),
        ("run scan", 10, 20, ERROR),
        ("back off scan", 20, 50, OK),
        ("wait scan", 50, 60, OK),
        ("run scan", 60, 90, OK),
    ]


def test_what_was_recorded_is_not_told_again() -> None:
    of = run(job(95), started(10), retrying(20, 50), started(60, 2), finished(90))
    wait, first = spanned("w", 0, 9, Segment.WAIT), spanned("a", 9, 21)
    off, again = spanned("b", 21, 50, Segment.BACKOFF), spanned("c", 59, 91)
    assert missing(of, wait, first, off, again) == []
    assert [each[0] for each in missing(of, wait, first)] == ["back off scan", "wait scan", "run scan"]


def test_a_stage_that_runs_is_live_until_now() -> None:
    of = run(job(None, step(StepState.RUNNING)), started(10))
    assert missing(of, now=500) == [("wait scan", 0, 10, OK), ("run scan", 10, 500, LIVE)]


def test_what_began_in_the_future_by_the_clock_of_another_machine_has_no_length() -> None:
    of = run(job(None, step(StepState.RUNNING)), started(100))
    assert missing(of, spanned("w", 0, 99, Segment.WAIT), now=50) == [("run scan", 100, 100, LIVE)]


def test_a_job_waits_in_the_queue_for_its_stage() -> None:
    of = run(job(None, step(StepState.PENDING), step(StepState.PENDING, StageName.PROCESS, ready=None)))
    assert missing(of, now=70) == [("wait scan", 0, 70, LIVE)]


def test_a_retry_backs_off_until_it_is_due_and_then_waits() -> None:
    of = run(job(None, step(StepState.RETRYING)), started(10), retrying(20, 50))
    assert missing(of, spanned("a", 9, 21), now=40) == [("back off scan", 20, 40, LIVE)]
    assert missing(of, spanned("a", 9, 21), now=65) == [("back off scan", 20, 50, OK), ("wait scan", 50, 65, LIVE)]


def test_an_attempt_whose_worker_died_is_lost_until_its_message_was_back_in_the_queue() -> None:
    of = run(job(95), started(10), started(60, 2), finished(90))
    back, again = spanned("w", 40, 59, Segment.WAIT), spanned("a", 59, 91)
    assert missing(of, spanned("w0", 0, 9, Segment.WAIT), back, again) == [("run scan", 10, 40, LOST)]
    assert missing(of, again) == [("wait scan", 0, 10, OK), ("run scan", 10, 60, LOST)]


def test_a_lost_attempt_says_what_is_known() -> None:
    [lost] = [each for each in _rows(run(job(95), started(10), started(60, 2))) if each.state is LOST]
    assert lost.error is not None
    assert (lost.error.code, lost.attempt, lost.attributes["vedette.worker"]) == ("worker-lost", 1, "scan@h")


def test_parts_are_told_only_where_their_stage_is_not() -> None:
    html = [started(12, 1, "scan", "html"), finished(18, "scan", "html")]
    of = run(job(95), started(10), *html, finished(20))
    assert [each[0] for each in missing(of)] == ["wait scan", "run scan", "scan html"]
    assert missing(of, spanned("w", 0, 9, Segment.WAIT), spanned("a", 9, 21)) == []


def test_a_part_is_below_the_attempt_of_its_stage_unless_it_was_ordered_alone() -> None:
    scan, html = finished(20), [started(12, 1, "scan", "html"), finished(18, "scan", "html")]
    late = [started(99, 1, "scan", "csv"), finished(100, "scan", "csv")]
    told = {each.name: each for each in _rows(run(job(95), started(10), *html, scan, *late))}
    assert told["scan html"].parent == told["run scan"].id
    assert told["scan csv"].parent == ""


def test_a_job_that_was_not_due_was_held_back() -> None:
    later = [event(EventType.JOB_CREATED, 0), event(EventType.JOB_QUEUED, 5000), started(5010), finished(5090)]
    of = run(job(6000, due_at=at(5000)))
    of = Run(of.job, 1, of.trace_id, at(0), at(6000), of.state, later)
    assert missing(of, spanned("a", 5009, 5091))[0] == ("wait until due", 0, 5000, OK)
    waits = Run(job(held_at=at(0)), 1, of.trace_id, at(0), None, of.state, BEGUN[:1])
    assert missing(waits, now=3000) == [("wait for a place", 0, 3000, LIVE)]


def test_a_wait_begins_when_the_message_was_sent() -> None:
    of = run(job(None, step(StepState.RUNNING)), started(10))
    assert missing(of, spanned("send", 4, 6, Segment.SEND), now=500)[0] == ("wait scan", 4, 10, OK)


def test_a_report_that_was_ordered_afterwards_is_waited_for() -> None:
    ordered = step(StepState.PENDING, StageName.REPORT, ready=500).model_copy(update={"part": "csv"})
    left = step(StepState.PENDING, StageName.NOTIFY, ready=5).model_copy(update={"part": "mail"})
    of = run(job(95, ordered, left), started(10), finished(90))
    assert missing(of, spanned("a", 9, 91), now=700) == [("wait report csv", 500, 700, LIVE)]


def _rows(of: Run) -> list[Row]:
    return ledger.missing(of, attempts(of), (), at(1000))
