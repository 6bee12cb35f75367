"""The step ledger: who took a step last ends it, what follows from an end, and many hands at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.contracts.job import Failure, JobState, StageName, StepState
from shared.store import ledger, timeline
from shared.store.engine import reading, writing
from shared.store.ledger import Key, Superseded, Taken
from tests.shared.store.ledgers import (
    BROKEN,
    NOTIFY,
    PROCESS,
    REPORT,
    SCAN,
    at_once,
    fail_step,
    note_progress,
    retry_step,
    step,
    told,
    view,
)
from tests.shared.store.making import ORG, finish_step, make, new_job, run_through, take_step


def test_taking_a_step_starts_it_and_its_job(database: str) -> None:
    [job_id] = make()
    taken = take_step(job_id, worker="scan@host")
    assert (taken.attempt, taken.is_over) == (1, False)
    running = step(job_id, SCAN)
    assert (running.state, running.attempt, running.worker) == (StepState.RUNNING, 1, "scan@host")
    assert view(job_id).state is JobState.RUNNING
    assert told(job_id) == ["job.created", "job.started", "stage.started"]


def test_a_step_that_is_not_in_the_ledger_is_unknown(database: str) -> None:
    [job_id] = make()
    for key in (Key("none", ORG, SCAN), Key(job_id, ORG, REPORT, "pdf"), Key(job_id, ORG, SCAN, "\x00")):
        with pytest.raises(ledger.StepUnknown), writing() as connection:
            ledger.take(connection, key, worker="")


@pytest.mark.parametrize("end", [finish_step, fail_step, retry_step, note_progress])
def test_a_superseded_delivery_can_do_nothing(database: str, end: Callable[[Taken], None]) -> None:
    [job_id] = make()
    first = take_step(job_id)
    second = take_step(job_id)
    with pytest.raises(Superseded):
        end(first)
    assert step(job_id, SCAN).state is StepState.RUNNING
    assert (second.attempt, step(job_id, SCAN).attempt) == (2, 2)
    finish_step(second)


def test_a_running_step_is_held_by_the_message_that_runs_it_until_that_is_abandoned(database: str) -> None:
    [job_id] = make(new_job(parts={SCAN: ["a"]}))
    key = Key(job_id, ORG, SCAN)

    def take(message: str, abandoned: str = "", part: str = "") -> Taken:
        with writing() as connection:
            return ledger.take(connection, replace(key, part=part), worker="w", message=message, abandoned=abandoned)

    first = take("one")
    take("one", part="a")
    with pytest.raises(ledger.StepHeld) as held:
        take("two")
    assert held.value.tag == "one"
    again = take("one")  # delivered a second time
    take("two", part="a")  # parts are of whoever has the stage
    with pytest.raises(ledger.StepHeld):
        take("two", abandoned="another")
    last = take("two", abandoned="one")
    assert [first.attempt, again.attempt, last.attempt] == [1, 2, 3]
    retry_step(last)
    assert take("three").attempt == 4


def test_the_end_of_a_stage_readies_the_next(database: str) -> None:
    [job_id] = make()
    for stage, following in ((SCAN, PROCESS), (PROCESS, REPORT), (REPORT, NOTIFY)):
        assert step(job_id, following).ready_at is None
        finish_step(take_step(job_id, stage), summary=f"{stage} \x00 done")
        assert step(job_id, following).ready_at is not None
        assert step(job_id, stage).summary == f"{stage} \ufffd done"
    assert view(job_id).state is JobState.RUNNING
    finish_step(take_step(job_id, NOTIFY))
    assert view(job_id).state is JobState.SUCCEEDED
    assert told(job_id)[-1] == "job.finished"


def test_a_step_that_is_over_is_not_taken_again(database: str) -> None:
    [job_id] = make()
    run_through(job_id)
    before = (view(job_id), told(job_id))
    for stage in StageName:
        again = take_step(job_id, stage)
        assert (again.is_over, again.delivery) == (True, "")
        with pytest.raises(Superseded):
            finish_step(again)
    assert (view(job_id), told(job_id)) == before


def test_a_failed_scan_skips_what_needs_it_and_leaves_the_telling(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: ["json", "pdf"]}))
    fail_step(take_step(job_id))
    steps = {(each.stage, each.part): each for each in view(job_id).steps}
    assert steps.pop((SCAN, "")).state is StepState.FAILED
    assert steps[NOTIFY, ""].state is StepState.PENDING
    assert steps.pop((NOTIFY, "")).ready_at is not None
    assert {each.state for each in steps.values()} == {StepState.SKIPPED}
    assert view(job_id).state is JobState.RUNNING
    finish_step(take_step(job_id, NOTIFY))
    ended = view(job_id)
    assert ended.state is JobState.FAILED
    assert ended.failure is not None
    assert (ended.failure.code, ended.failure.cure) == ("broken", "Mend it.")


def test_the_failure_of_the_job_is_the_first_one(database: str) -> None:
    [job_id] = make()
    fail_step(take_step(job_id))
    fail_step(take_step(job_id, NOTIFY), BROKEN.model_copy(update={"code": "receiver-gone"}))
    ended = view(job_id)
    assert ended.state is JobState.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "broken"


def test_a_part_that_the_last_stage_knows_no_more_keeps_no_job_from_its_end(database: str) -> None:
    """Somebody had the installation tell others between two runs."""
    [job_id] = make()
    with writing() as connection:
        ledger.add_parts(connection, Key(job_id, ORG, NOTIFY), ["told-before"])
    run_through(job_id)
    assert view(job_id).state is JobState.SUCCEEDED
    assert step(job_id, NOTIFY, "told-before").state is StepState.SKIPPED


def test_a_failed_part_makes_the_job_partial_and_stops_nothing(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: ["json", "pdf"]}))
    run_through(job_id, SCAN, PROCESS)
    stage = take_step(job_id, REPORT)
    fail_step(take_step(job_id, REPORT, "pdf"))
    finish_step(take_step(job_id, REPORT, "json"))
    finish_step(stage)
    run_through(job_id, NOTIFY)
    ended = view(job_id)
    assert (ended.state, ended.failure) == (JobState.PARTIAL, None)
    assert step(job_id, REPORT, "pdf").failure is not None


def test_a_step_that_waits_for_its_next_attempt_says_so(database: str) -> None:
    [job_id] = make()
    taken = take_step(job_id)
    note_progress(taken)
    retry_step(taken)
    waiting = step(job_id, SCAN)
    assert (waiting.state, waiting.progress, view(job_id).state) == (StepState.RETRYING, None, JobState.RETRYING)
    assert waiting.next_attempt_at is not None
    assert waiting.failure is not None
    again = take_step(job_id)
    running = step(job_id, SCAN)
    assert (again.attempt, running.next_attempt_at, running.failure) == (2, None, None)
    assert view(job_id).state is JobState.RUNNING
    assert running.started_at == view(job_id).started_at


def test_parts_are_added_once_and_keep_what_they_have(database: str) -> None:
    [job_id] = make()
    for names in (["a"], ["b", "a"], [], ["a", "b"]):
        with writing() as connection:
            ledger.add_parts(connection, Key(job_id, ORG, NOTIFY), names)
        if names == ["a"]:
            finish_step(take_step(job_id, NOTIFY, "a"))
    states = {each.part: each.state for each in view(job_id).steps if each.stage is NOTIFY}
    assert states == {"": StepState.PENDING, "a": StepState.SUCCEEDED, "b": StepState.PENDING}


OK, NO, SKIP = StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED


@pytest.mark.parametrize(
    ("scan", "report", "part", "notify", "state"),
    [
        (OK, OK, OK, OK, JobState.SUCCEEDED),
        (OK, OK, NO, OK, JobState.PARTIAL),
        (OK, OK, OK, NO, JobState.PARTIAL),
        (OK, OK, NO, NO, JobState.PARTIAL),
        (OK, NO, NO, OK, JobState.FAILED),
        (OK, NO, SKIP, NO, JobState.FAILED),
        (NO, SKIP, SKIP, OK, JobState.FAILED),
        (NO, SKIP, SKIP, NO, JobState.FAILED),
    ],
)
def test_the_state_of_a_job_follows_from_its_steps(
    scan: StepState, report: StepState, part: StepState, notify: StepState, state: JobState
) -> None:
    process = SKIP if scan is NO else OK
    rows = [(SCAN, "", scan), (PROCESS, "", process), (REPORT, "", report), (REPORT, "pdf", part), (NOTIFY, "", notify)]
    assert ledger.outcome([(str(stage), name, each) for stage, name, each in rows]) is state


@given(
    ended=some.lists(
        some.tuples(some.sampled_from(StageName), some.sampled_from(["", "a"]), some.sampled_from([OK, NO, SKIP]))
    )
)
def test_only_what_failed_keeps_a_job_from_success(ended: list[tuple[str, str, StepState]]) -> None:
    state = ledger.outcome(ended)
    assert state.is_terminal
    assert (state is JobState.SUCCEEDED) == (NO not in {each for *_, each in ended})


def test_of_many_who_take_a_step_at_once_one_ends_it(database: str) -> None:
    [job_id] = make()

    def work(_: int) -> str:
        taken = take_step(job_id)
        finish_step(taken)
        return taken.delivery

    ends = at_once(8, work)
    assert len([end for end in ends if isinstance(end, str) and end]) == 1
    assert all(isinstance(end, (str, Superseded)) for end in ends)
    assert told(job_id).count("stage.finished") == 1


def test_parts_may_end_in_parallel(database: str) -> None:
    names = [f"part{n}" for n in range(8)]
    [job_id] = make(new_job(parts={REPORT: names}))
    run_through(job_id, SCAN, PROCESS)
    stage = take_step(job_id, REPORT)
    ends = at_once(8, lambda n: (fail_step if n % 2 else finish_step)(take_step(job_id, REPORT, names[n])))
    assert ends == [None] * 8
    finish_step(stage)
    run_through(job_id, NOTIFY)
    assert view(job_id).state is JobState.PARTIAL
    with reading() as connection:
        ids = [event.id for event in timeline.of_job(connection, job_id)]
    assert ids == sorted(set(ids))


def test_two_may_add_the_same_parts_at_once(database: str) -> None:
    [job_id] = make()

    def add(_: int) -> None:
        with writing() as connection:
            ledger.add_parts(connection, Key(job_id, ORG, NOTIFY), [f"p{n}" for n in range(20)])

    assert at_once(4, add) == [None] * 4
    assert len(view(job_id).steps) == 24


def bury(job_id: str, stage: StageName, failure: Failure = BROKEN, org_id: str | None = ORG, run: int = 0) -> bool:
    with writing() as connection:
        return bool(ledger.bury(connection, job_id, org_id, stage, failure, run=run))


def test_a_buried_stage_has_failed_whoever_had_it_and_its_job_is_dead(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: ["json"]}))
    holder = take_step(job_id)
    assert bury(job_id, SCAN, BROKEN.model_copy(update={"is_dead": True}))
    with pytest.raises(Superseded):
        finish_step(holder)
    assert [each.state for each in view(job_id).steps] == [NO, SKIP, SKIP, SKIP, StepState.PENDING]
    run_through(job_id, NOTIFY)
    ended = view(job_id)
    assert ended.state is JobState.DEAD
    assert ended.failure is not None
    assert ended.failure.is_dead
    assert told(job_id).count("stage.failed") == 1


def test_what_fails_from_within_does_not_make_a_job_dead(database: str) -> None:
    [job_id] = make()
    take_step(job_id)
    assert bury(job_id, SCAN)
    run_through(job_id, NOTIFY)
    assert view(job_id).state is JobState.FAILED


def test_a_job_whose_last_stage_is_buried_keeps_its_result(database: str) -> None:
    [job_id] = make()
    run_through(job_id, SCAN, PROCESS, REPORT)
    assert bury(job_id, NOTIFY, BROKEN.model_copy(update={"is_dead": True}))
    assert view(job_id).state is JobState.PARTIAL


def test_nothing_is_buried_that_is_over_not_its_turn_or_another_job(database: str) -> None:
    [job_id] = make()
    run_through(job_id, SCAN)
    before = view(job_id)
    assert not bury(job_id, SCAN)
    assert not bury(job_id, REPORT)
    assert not bury(job_id, PROCESS, org_id="other")
    assert not bury(job_id, PROCESS, run=2)
    assert not bury("none", PROCESS)
    assert view(job_id) == before
    assert bury(job_id, PROCESS, org_id=None, run=1)


def test_a_message_of_another_run_gets_nothing(database: str) -> None:
    [job_id] = make()
    stale = take_step(job_id, run=2)
    assert (stale.is_over, stale.state, stale.delivery) == (True, StepState.CANCELLED, "")
    assert (step(job_id, SCAN).state, told(job_id)) == (StepState.PENDING, ["job.created"])


def test_a_step_that_is_taken_as_done_readies_the_next(database: str) -> None:
    [job_id] = make()
    for key, fits in (
        (Key(job_id, ORG, PROCESS), False),
        (Key(job_id, ORG, SCAN), True),
        (Key(job_id, ORG, SCAN), False),
    ):
        with writing() as connection:
            assert bool(ledger.skip(connection, key, summary="by hand")) is fits
    assert (step(job_id, SCAN).state, step(job_id, SCAN).summary) == (SKIP, "by hand")
    assert step(job_id, PROCESS).ready_at is not None
