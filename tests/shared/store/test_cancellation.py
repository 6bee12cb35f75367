"""Cancelling in the store: at once where nobody is at it, else when its stage has stopped; once for all."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from sqlalchemy import select

from shared.contracts.job import JobState, StageName, StepState
from shared.ids import now
from shared.store import cancellation, ledger
from shared.store.cancellation import Cancelled
from shared.store.engine import engine, writing
from shared.store.ledger import Key, Superseded, Taken
from shared.store.tables import steps
from tests.shared.store.ledgers import (
    BROKEN,
    NOTIFY,
    PROCESS,
    REPORT,
    SCAN,
    at_once,
    events,
    fail_step,
    retry_step,
    states,
    step,
    told,
    view,
)
from tests.shared.store.making import ORG, finish_step, make, new_job, run_through, take_step


def cancel(*ids: str, org_id: str = ORG) -> list[Cancelled]:
    with writing() as connection:
        return cancellation.cancel(connection, ids, org_id, "ann")


def confirm(job_id: str) -> list[str]:
    with writing() as connection:
        return [event.type.value for event in cancellation.confirm_cancelled(connection, job_id)]


def became(*ids: str) -> list[tuple[JobState | None, bool]]:
    return [(one.state, one.is_new) for one in cancel(*ids)]


def test_a_queued_job_is_cancelled_at_once(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: ["json"]}))
    [done] = cancel(job_id)
    assert (done.state, done.is_new, [event.type for event in done.events]) == (
        *(JobState.CANCELLED, True),
        ["job.finished"],
    )
    job = view(job_id)
    assert (job.state, job.cancelled_by, job.failure) == (JobState.CANCELLED, "ann", None)
    assert job.finished_at is not None
    assert {each.state for each in job.steps} == {StepState.CANCELLED}
    assert events(job_id)[-1].data == {"by": "ann", "state": "cancelled"}


def test_a_scheduled_and_a_retrying_job_are_cancelled_at_once(database: str) -> None:
    due_at = now() + timedelta(hours=1)
    scheduled, retrying = make(new_job(due_at=due_at), new_job())
    retry_step(take_step(retrying))
    assert became(scheduled, retrying) == [(JobState.CANCELLED, True)] * 2
    assert step(retrying, SCAN).next_attempt_at is None


def test_cancelling_twice_is_cancelling_once(database: str) -> None:
    idle, running = make(new_job(), new_job())
    take_step(running)
    assert became(idle, running, idle) == [
        *[(JobState.CANCELLED, True), (JobState.CANCELLING, True), (JobState.CANCELLED, True)]
    ]
    before = [(view(each), told(each)) for each in (idle, running)]
    assert became(idle, running) == [(JobState.CANCELLED, False), (JobState.CANCELLING, False)]
    assert [(view(each), told(each)) for each in (idle, running)] == before


def test_what_is_over_or_not_ours_is_told_as_such(database: str) -> None:
    [over, theirs] = make(new_job(), new_job(org_id="other"))
    run_through(over)
    assert became(over, theirs, "none") == [(JobState.SUCCEEDED, False), (None, False), (None, False)]
    assert view(theirs).state is JobState.QUEUED


def test_a_running_job_is_cancelling_until_its_stage_has_stopped(database: str) -> None:
    [job_id] = make()
    take_step(job_id)
    assert became(job_id) == [(JobState.CANCELLING, True)]
    assert states(job_id) == ["running", "cancelled", "cancelled", "cancelled"]
    assert view(job_id).finished_at is None
    assert confirm(job_id) == ["stage.cancelled", "job.finished"]
    assert confirm(job_id) == []
    assert (view(job_id).state, states(job_id)) == (JobState.CANCELLED, ["cancelled"] * 4)


def test_a_job_that_nobody_cancelled_is_not_confirmed(database: str) -> None:
    [job_id] = make()
    taken = take_step(job_id)
    assert confirm(job_id) == []
    finish_step(taken)


@pytest.mark.parametrize(
    ("end", "left"), [(finish_step, "succeeded"), (fail_step, "failed"), (retry_step, "cancelled")]
)
@pytest.mark.parametrize("stage", [SCAN, NOTIFY])
def test_however_the_running_stage_ends_no_other_begins(
    database: str, stage: StageName, end: Callable[[Taken], None], left: str
) -> None:
    [job_id] = make()
    before = list(StageName)[: list(StageName).index(stage)]
    if before:
        run_through(job_id, *before)
    taken = take_step(job_id, stage)
    cancel(job_id)
    end(taken)
    job = view(job_id)
    assert (job.state, job.failure) == (JobState.CANCELLED, None)
    assert step(job_id, stage).state == left
    assert all(take_step(job_id, each).is_over for each in StageName)
    assert told(job_id).count("job.finished") == 1


def test_the_parts_of_a_running_stage_that_nobody_began_are_cancelled_with_it(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: ["html", "json", "pdf"]}))
    run_through(job_id, SCAN, PROCESS)
    stage = take_step(job_id, REPORT)
    finish_step(take_step(job_id, REPORT, "html"))
    part = take_step(job_id, REPORT, "json")
    cancel(job_id)
    finish_step(part)
    assert take_step(job_id, REPORT, "pdf").state is StepState.CANCELLED
    with writing() as connection:
        ledger.add_parts(connection, Key(job_id, ORG, REPORT), ["late"])
    finish_step(stage)
    assert view(job_id).state is JobState.CANCELLED
    assert {each.part: each.state.value for each in view(job_id).steps if each.part} == {
        "html": "succeeded",
        "json": "succeeded",
        "pdf": "cancelled",
        "late": "cancelled",
    }


def test_whoever_takes_a_step_of_a_job_that_is_cancelling_ends_it(database: str) -> None:
    [job_id] = make()
    lost = take_step(job_id)
    cancel(job_id)
    again = take_step(job_id)
    assert (again.state, again.is_over) == (StepState.CANCELLED, True)
    assert [event.type for event in again.events] == ["stage.cancelled", "job.finished"]
    assert view(job_id).state is JobState.CANCELLED
    with pytest.raises(Superseded):
        finish_step(lost)


def test_a_stage_that_is_buried_while_it_is_to_stop_ends_the_job_as_cancelled(database: str) -> None:
    [job_id] = make()
    take_step(job_id)
    cancel(job_id)
    with writing() as connection:
        ledger.bury(connection, job_id, ORG, SCAN, BROKEN.model_copy(update={"is_dead": True}))
    assert view(job_id).state is JobState.CANCELLED


def test_many_are_cancelled_together(database: str) -> None:
    ids = make(*(new_job() for _ in range(200)))
    for job_id in ids[::10]:
        take_step(job_id)
    done = cancel(*ids)
    assert [one.job_id for one in done] == ids
    assert sum(one.state is JobState.CANCELLING for one in done) == 20


def test_who_ends_the_last_stage_of_a_cancelled_job_waits_for_nobody_with_an_earlier_one(database: str) -> None:
    """The latter wants the last one next: they would wait for each other."""
    [job_id] = make(new_job(parts={REPORT: ["json"]}))
    run_through(job_id, SCAN, PROCESS, REPORT)
    taken = take_step(job_id, NOTIFY)
    cancel(job_id)
    its_first = select(steps.c.stage).where(steps.c.job_id == job_id, steps.c.stage == SCAN).with_for_update()
    with ThreadPoolExecutor(1) as pool:
        with engine().connect() as other:
            other.execute(its_first).all()
            ending = pool.submit(finish_step, taken)
            done, _ = wait([ending], 10)
        assert done
        ending.result()
    assert view(job_id).state is JobState.CANCELLED


def test_cancelling_and_working_at_once_end_every_job_once(database: str) -> None:
    """Whatever order the two come in, nobody waits for the other in a ring and no job is left over."""
    ids = make(*(new_job(parts={REPORT: ["a", "b"]}) for _ in range(8)))

    def work(job_id: str) -> None:
        for stage in StageName:
            taken = take_step(job_id, stage)
            if taken.is_over:
                return
            for part in ("a", "b") if stage is REPORT else ():
                if not (mine := take_step(job_id, REPORT, part)).is_over:
                    finish_step(mine)
            (fail_step if random.random() < 0.2 else finish_step)(taken)

    def one(number: int) -> None:
        if number < len(ids):
            work(ids[number])
        else:
            cancel(*random.sample(ids, len(ids)))

    ends = at_once(len(ids) + 2, one)
    assert [end for end in ends if not (end is None or isinstance(end, Superseded))] == []
    for job_id in ids:
        confirm(job_id)
        if not view(job_id).state.is_terminal:  # it failed first: it was all over but the telling
            run_through(job_id, NOTIFY)
        assert view(job_id).state.is_terminal
        assert told(job_id).count("job.finished") == 1
