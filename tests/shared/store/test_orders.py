"""Reports ordered of jobs that are over, in the ledger of both databases."""

from __future__ import annotations

import pytest

from shared.contracts.job import Failure, JobState, StageName, StepState
from shared.errors import VedetteError
from shared.ids import now
from shared.store import jobs, ledger, orders, repairs, reports, revival
from shared.store.engine import reading, writing
from shared.store.orders import NothingToReport, Ordered, OrderNotFound, TooManyOrders
from shared.store.revival import JobNotOver
from tests.shared.store.making import ORG, finish_step, make, run_through, take_step

pytestmark = pytest.mark.usefixtures("database")
REPORT = StageName.REPORT
BROKEN = Failure(code="broken", failure_class="permanent", message="It broke.", stage=REPORT, part="pdf")


def order(job_id: str, form: str = "pdf") -> Ordered:
    with writing(ORG) as connection:
        return orders.place(connection, job_id, form, "user:a@example.org")


def state(job_id: str, form: str = "pdf") -> StepState:
    with reading(ORG) as connection:
        return orders.view(connection, job_id, form).state


def make_file(job_id: str, form: str = "pdf") -> None:
    taken = take_step(job_id, REPORT, form)
    with writing(ORG) as connection:
        reports.save(connection, ORG, reports.describe(job_id, form, "x/y", f"a.{form}", b"x"), b"x")
    finish_step(taken)


def fail(job_id: str) -> None:
    taken = take_step(job_id, REPORT, "pdf")
    with writing(ORG) as connection:
        ledger.fail(connection, taken, BROKEN)


@pytest.fixture
def over() -> str:
    [job_id] = make()
    run_through(job_id)
    return job_id


def test_an_order_is_made_once_and_leaves_the_job_as_it_ended(over: str) -> None:
    with reading() as connection:
        before = jobs.view(connection, over)
    assert order(over).is_new
    assert not order(over).is_new
    assert state(over) is StepState.PENDING
    make_file(over)
    assert not order(over).is_new
    with reading() as connection:
        after = jobs.view(connection, over)
        found = orders.view(connection, over, "pdf")
    assert (found.state, found.report and found.report.filename) == (StepState.SUCCEEDED, "a.pdf")
    assert after.model_copy(update={"steps": before.steps}) == before


def test_an_order_that_failed_is_tried_again_and_does_not_make_the_job_fail(over: str) -> None:
    order(over)
    fail(over)
    assert state(over) is StepState.FAILED
    with reading() as connection:
        assert jobs.view(connection, over).state is JobState.SUCCEEDED
    assert order(over).is_new
    make_file(over)
    assert state(over) is StepState.SUCCEEDED


def test_nothing_is_ordered_of_a_job_that_runs_or_has_no_result() -> None:
    [runs, fails] = make()[0], make()[0]
    with pytest.raises(JobNotOver):
        order(runs)
    taken = take_step(fails)
    with writing() as connection:
        ledger.fail(connection, taken, BROKEN.model_copy(update={"stage": "scan", "part": ""}))
    run_through(fails, StageName.NOTIFY)
    with pytest.raises(NothingToReport):
        order(fails)


def test_what_nobody_asked_for_is_not_found(over: str) -> None:
    with pytest.raises(OrderNotFound) as missing:
        state(over)
    assert isinstance(missing.value, VedetteError)
    assert f"vedette report create {over[-8:]} --format pdf" in missing.value.cure


def test_an_organisation_has_so_many_orders_at_once(over: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "MOST", 2)
    order(over, "csv")
    order(over, "html")
    with pytest.raises(TooManyOrders):
        order(over)
    make_file(over, "csv")
    assert order(over).is_new


def test_a_failed_order_is_nothing_to_retry_the_job_for(over: str) -> None:
    order(over)
    fail(over)
    with writing() as connection, pytest.raises(revival.NothingFailed):
        revival.reopen(connection, over, by="me", why="retry")


def test_a_job_done_again_from_its_report_stage_makes_what_was_ordered(over: str) -> None:
    order(over)
    with writing() as connection:
        key = revival.reopen(connection, over, REPORT, by="me", why="resume")
        parts = ledger.parts(connection, ledger.Key(over, ORG, REPORT, run=key.run))
    assert parts == ["pdf"]
    assert state(over) is StepState.PENDING


def test_an_order_without_a_message_is_seen(over: str) -> None:
    order(over)
    with reading() as connection:
        [turn] = repairs.turns(connection, now())
        assert repairs.count_turns(connection, now()) == 1
    assert (turn.job_id, turn.stage, turn.part) == (over, REPORT, "pdf")
    make_file(over)
    with reading() as connection:
        assert repairs.turns(connection, now()) == []


def test_a_dead_letter_of_an_order_ends_the_order_alone(over: str) -> None:
    order(over)
    with writing() as connection:
        told = ledger.bury(connection, over, ORG, REPORT, BROKEN, run=1)
    assert [(event.type, event.part) for event in told] == [("stage.failed", "pdf")]
    assert state(over) is StepState.FAILED
