"""Of jobs that are over, those that went wrong or were slow keep their spans, and a share of the rest: whole or not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from shared.contracts.job import Failure, StageName
from shared.contracts.record import RecordBatch, SpanRecord
from shared.errors import FailureClass
from shared.ids import new_id, now
from shared.store import ledger, records
from shared.store.engine import reading, writing
from shared.store.sampling import Sample, _undecided, is_drawn, settle
from shared.store.tables import jobs, steps
from tests.shared.store.making import ORG, make, run_through, take_step

database = pytest.mark.usefixtures("database")
LOW, HIGH = "0" * 16 + "0" * 16, "0" * 16 + "f" * 16  # trace ids: drawn at any ratio but 0, and at none but 1


def spanned(job_id: str, trace_id: str = HIGH, *, is_error: bool = False, is_settled: bool = False) -> None:
    span = SpanRecord(trace_id=trace_id, span_id="1" * 16, name="run", began_ns=1, ended_ns=2, is_error=is_error)
    batch = RecordBatch(id=new_id(), org_id=ORG, job_id=job_id, service="scan", process="h:1", spans=[span])
    with writing() as connection:
        records.keep(connection, [batch], is_settled=is_settled)


def job(trace_id: str = HIGH, **columns: object) -> str:
    """A job with two batches of spans, still running."""
    [job_id] = make()
    with writing() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(trace_id=trace_id, **columns))
    spanned(job_id, trace_id)
    spanned(job_id, trace_id)
    return job_id


def over(trace_id: str = HIGH, **columns: object) -> str:
    job_id = job(trace_id)
    run_through(job_id)
    if columns:
        with writing() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**columns))
    return job_id


def settled(ratio: float = 0.5, slow_s: float = 60.0, late_s: float = -60.0) -> int:
    with writing() as connection:
        return settle(connection, Sample(ratio, slow_s, now() - timedelta(seconds=late_s)))


def kept(job_id: str, trace_id: str = HIGH) -> int:
    with reading() as connection:
        return len(records.of_job(connection, job_id, trace_id))


@database
def test_a_share_of_ordinary_jobs_is_kept_whole() -> None:
    drawn, other = over(LOW), over(HIGH)
    assert settled() == 2
    assert (kept(drawn, LOW), kept(other)) == (2, 0)
    assert settled() == 0


@database
@pytest.mark.parametrize(("ratio", "count"), [(0.0, 0), (1.0, 2)])
def test_all_or_none_of_them_are_kept_by_a_ratio_of_one_or_nought(ratio: float, count: int) -> None:
    ids = [over(LOW), over(HIGH)]
    settled(ratio)
    assert [kept(ids[0], LOW), kept(ids[1])] == [count, count]


@database
@pytest.mark.parametrize("state", ["failed", "dead", "partial", "cancelled"])
def test_a_job_that_did_not_succeed_is_kept(state: str) -> None:
    job_id = over(state=state)
    settled(0.0)
    assert kept(job_id) == 2


@database
def test_a_job_that_ran_again_was_slow_or_had_an_error_in_any_span_is_kept() -> None:
    ids = [over(run=2), over(finished_at=now() - timedelta(seconds=120), published_at=now() - timedelta(seconds=190))]
    failed = over()
    spanned(failed, is_error=True)
    settled(0.0)
    assert [kept(each) for each in (*ids, failed)] == [2, 2, 3]


@database
def test_a_job_of_which_an_attempt_failed_or_was_lost_is_kept_though_it_succeeded() -> None:
    job_id, lost = job(), over()
    taken = take_step(job_id)
    failure = Failure(code="x", failure_class=FailureClass.TEMPORARY, message="x", stage=StageName.SCAN, attempt=1)
    with writing() as connection:
        ledger.retry(connection, taken, failure, now())
    run_through(job_id)
    with writing() as connection:
        connection.execute(update(steps).where(steps.c.job_id == lost, steps.c.stage == "scan").values(lost=1))
    settled(0.0)
    assert (kept(job_id), kept(lost)) == (2, 2)


@database
def test_a_job_that_is_not_over_or_ended_a_moment_ago_waits() -> None:
    running, just = job(), over()
    settled(0.0, late_s=30)
    assert (kept(running), kept(just)) == (2, 2)
    settled(0.0)
    assert (kept(running), kept(just)) == (2, 0)


@database
def test_what_comes_late_is_judged_like_the_rest() -> None:
    drawn, other = over(LOW), over(HIGH)
    settled()
    spanned(drawn, LOW)
    spanned(other)
    settled()
    assert (kept(drawn, LOW), kept(other)) == (3, 0)


@database
def test_what_was_kept_when_all_were_stays_when_the_share_is_lowered() -> None:
    [job_id] = make()
    spanned(job_id, is_settled=True)
    run_through(job_id)
    settled(0.0)
    assert kept(job_id) == 1


@database
def test_spans_of_jobs_that_are_not_there_any_more_go_and_do_not_hold_up_others() -> None:
    for _ in range(250):
        spanned(new_id())
    job_id = over()
    while settled(0.0):
        pass
    assert kept(job_id) == 0


@database
def test_a_request_that_made_several_jobs_is_kept_if_it_failed_or_is_drawn() -> None:
    spanned("", LOW)
    spanned("", HIGH)
    settled()
    with reading() as connection:
        assert [len(records.of_trace(connection, each)) for each in (LOW, HIGH)] == [1, 0]
    spanned("", HIGH, is_error=True)
    settled()
    with reading() as connection:
        assert len(records.of_trace(connection, HIGH)) == 1


@given(st.integers(0, (1 << 128) - 1), st.floats(0, 1), st.floats(0, 1))
def test_a_trace_of_a_share_is_in_every_greater_share(number: int, one: float, other: float) -> None:
    trace_id = f"{number:032x}"
    if is_drawn(trace_id, min(one, other)):
        assert is_drawn(trace_id, max(one, other))
    assert is_drawn(trace_id, 1.0)
    assert not is_drawn(trace_id, 0.0)


def test_a_share_is_about_as_large_as_it_says() -> None:
    drawn = sum(is_drawn(f"{n * 0x9E3779B97F4A7C15 % (1 << 64):032x}", 0.1) for n in range(10_000))
    assert 900 < drawn < 1100


@database
def test_what_waits_for_a_decision_is_found_without_a_look_at_all_batches() -> None:
    with reading() as connection:
        if connection.dialect.name == "postgresql":  # chooses by what there is, and there is nothing
            return
        text = str(_undecided(now()).compile(connection, compile_kwargs={"render_postcompile": True}))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("x",) * text.count("?")).all()
    assert [row.detail for row in plan if "span_batches" in row.detail] == [
        "SCAN span_batches USING INDEX ix_span_batches_unsettled"
    ]
