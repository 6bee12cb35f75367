"""The step ledger: who took a step last ends it, what follows from an end, and many hands at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.contracts.job import Failure, JobState, JobView, Progress, StageName, StepState, StepView
from shared.ids import now
from shared.store import jobs, ledger, timeline
from shared.store.engine import reading, writing
from shared.store.ledger import Key, Superseded, Taken
from tests.shared.store.making import ORG, finish_step, make, new_job, run_through, take_step

SCAN, PROCESS, REPORT, NOTIFY = StageName
BROKEN = Failure(code="broken", failure_class="permanent", message="It broke: \x00 \ud800.", cure="Mend it.")


def fail_step(taken: Taken, failure: Failure = BROKEN) -> None:
    with writing() as connection:
        ledger.fail(connection, taken, failure)


def retry_step(taken: Taken) -> None:
    with writing() as connection:
        ledger.retry(connection, taken, BROKEN, now() + timedelta(seconds=9))


def note_progress(taken: Taken) -> None:
    with writing() as connection:
        ledger.progress(connection, taken, Progress(done=1, total=2))


def view(job_id: str) -> JobView:
    with reading() as connection:
        return jobs.view(connection, job_id)


def step(job_id: str, stage: StageName, part: str = "") -> StepView:
    return next(each for each in view(job_id).steps if (each.stage, each.part) == (stage, part))


def told(job_id: str) -> list[str]:
    with reading() as connection:
        return [event.type.value for event in timeline.of_job(connection, job_id)]


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
            ledger.add_parts(connection, job_id, NOTIFY, names)
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


def at_once(count: int, do: Callable[[int], object]) -> list[object]:
    """Run `do` in `count` threads that start together; what each returned or raised."""
    gate = threading.Barrier(count)

    def one(number: int) -> object:
        gate.wait(10)
        try:
            return do(number)
        except Exception as exc:  # noqa: BLE001  the test looks at it
            return exc

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


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
            ledger.add_parts(connection, job_id, NOTIFY, [f"p{n}" for n in range(20)])

    assert at_once(4, add) == [None] * 4
    assert len(view(job_id).steps) == 24
