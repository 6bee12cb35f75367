"""Around a stage: plain functions inside all layers, on real stores; what the ledger says afterwards."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import StatementError
from structlog.testing import capture_logs

from shared.broker import client, keys
from shared.broker.limits import CpuTimeExceeded
from shared.contracts.envelope import Envelope
from shared.contracts.job import JobState, JobView, Progress, StageName, StepState, StepView
from shared.dlq import StageFailed
from shared.errors import (
    POLICIES,
    UNKNOWN,
    External,
    FailureClass,
    Infrastructure,
    Permanent,
    Resource,
    Security,
    Temporary,
)
from shared.ids import now
from shared.layers import around
from shared.layers import ledger as layer
from shared.layers.delivery import Delivery
from shared.layers.judgement import LATE_RETRIES, RETRY_AFTER_CAP_S
from shared.layers.ledger import AlreadyOver, RetryLater, Step
from shared.settings import settings
from shared.store import jobs, ledger, tables
from shared.store.engine import Connection, DatabaseAway, engine, reading, writing
from shared.store.engine import forget as forget_connections
from shared.store.tables import plugins, steps
from tests.shared.store.making import ORG, make, new_job, run_through, take_step

SCAN, PROCESS, REPORT, NOTIFY = StageName
LAST = 99  # retries of a message that has none left, of whatever class

pytestmark = pytest.mark.usefixtures("database", "no_bus")


@pytest.fixture
def no_bus(fresh_settings: pytest.MonkeyPatch, bus_url: str) -> None:
    """The bus of the other tests: events go somewhere real."""


def run(
    job_id: str,
    body: Callable[[Step], object],
    stage: StageName = SCAN,
    retries: int = 0,
    late_s: float = -60,
    tag: str = "",
) -> None:
    deadline_at = now() - timedelta(seconds=late_s)
    envelope = Envelope(job_id=job_id, org_id=ORG, kind="host", lane="scan", deadline_at=deadline_at)
    with around(stage, envelope, Delivery("w@h", retries, 30.0, tag=tag)) as step:
        body(step)


def nothing(_: Step) -> None: ...


def raises(exc: BaseException) -> Callable[[Step], object]:
    def body(_: Step) -> None:
        raise exc

    return body


def view(job_id: str) -> JobView:
    with reading() as connection:
        return jobs.view(connection, job_id)


def step_of(job_id: str, stage: StageName, part: str = "") -> StepView:
    return next(each for each in view(job_id).steps if (each.stage, each.part) == (stage, part))


def keep(name: str) -> Callable[[Connection], None]:
    def write(connection: Connection) -> None:
        connection.execute(insert(plugins), {"folder": "kept", "name": name, "announced_at": now()})

    return write


def kept() -> list[str]:
    with reading() as connection:
        return sorted(connection.execute(text("SELECT name FROM plugins WHERE folder = 'kept'")).scalars())


def test_a_stage_that_returns_has_succeeded_with_what_it_keeps() -> None:
    [job_id] = make()

    def body(step: Step) -> None:
        step.summary = "seen\x00 \ud800"
        step.keep(keep("a"))
        step.keep(keep("b"))
        assert kept() == []

    run(job_id, body)
    assert kept() == ["a", "b"]
    assert (step_of(job_id, SCAN).state, step_of(job_id, SCAN).summary) == (StepState.SUCCEEDED, "seen\ufffd \ufffd")


def test_a_write_that_raises_leaves_nothing_of_the_others() -> None:
    [job_id] = make()

    def body(step: Step) -> None:
        step.keep(keep("a"))
        step.keep(keep("a"))

    with pytest.raises(StageFailed):
        run(job_id, body)
    assert kept() == []
    failed = step_of(job_id, SCAN)
    assert failed.state is StepState.FAILED
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.stage) == ("internal", "scan")


@pytest.mark.parametrize("cls", [Temporary, External, Resource, Permanent, Security])
def test_a_failure_is_retried_as_often_as_its_class_says(cls: type[Permanent]) -> None:
    [job_id] = make()
    policy = POLICIES[cls.failure_class]
    for retries in range(policy.retries):
        with pytest.raises(RetryLater) as later:
            run(job_id, raises(cls("odd \x00 \ud800")), retries=retries)
        assert 0 < later.value.after_s <= policy.cap_s
        assert step_of(job_id, SCAN).state is StepState.RETRYING
        assert view(job_id).state is JobState.RETRYING
    with pytest.raises(StageFailed):
        run(job_id, raises(cls("at last", cure="Do.")), retries=policy.retries)
    failed = step_of(job_id, SCAN)
    assert (failed.state, failed.attempt) == (StepState.FAILED, policy.retries + 1)
    assert failed.failure is not None
    assert (failed.failure.message, failed.failure.failure_class) == ("at last", cls.failure_class.value)
    assert [each.state for each in view(job_id).steps] == [
        *(StepState.FAILED, StepState.SKIPPED, StepState.SKIPPED, StepState.PENDING)
    ]


def test_infrastructure_is_waited_for_until_the_deadline() -> None:
    [job_id] = make()
    for _ in range(LATE_RETRIES + 2):
        with pytest.raises(RetryLater):
            run(job_id, raises(Infrastructure("away")))
    with pytest.raises(StageFailed):
        run(job_id, raises(Infrastructure("away")), late_s=1)
    failed = step_of(job_id, SCAN)
    assert failed.failure is not None
    assert failed.failure.code == "deadline-passed"


def test_after_the_deadline_the_last_stage_waits_for_infrastructure_for_a_while() -> None:
    [job_id] = make()
    run_through(job_id, SCAN, PROCESS, REPORT)
    for _ in range(LATE_RETRIES):
        with pytest.raises(RetryLater):
            run(job_id, raises(Infrastructure("away")), NOTIFY, late_s=1)
    with pytest.raises(StageFailed):
        run(job_id, raises(Infrastructure("away")), NOTIFY, late_s=1)


def test_a_stage_that_failed_says_why_it_is_this_class_and_where_it_happened() -> None:
    [job_id] = make()
    with pytest.raises(StageFailed) as failed:
        run(job_id, raises(KeyError("x")))
    said = pickle.loads(pickle.dumps(failed.value))  # as on its way to the worker's parent
    assert (said.failure_class, said.rule) == (FailureClass.PERMANENT, UNKNOWN)
    assert (said.error.type, said.error.message) == ("KeyError", "'x'")
    assert "in raises" in said.error.traceback or "in body" in said.error.traceback


def test_whoever_asks_for_time_gets_it_up_to_the_cap() -> None:
    busy = External("busy")
    for asked_s, least_s in ((50.0, 50.0), (86_400.0, RETRY_AFTER_CAP_S)):
        busy.retry_after_s = asked_s
        [job_id] = make()
        with pytest.raises(RetryLater) as later:
            run(job_id, raises(busy))
        assert least_s <= later.value.after_s <= RETRY_AFTER_CAP_S


def test_an_unknown_error_is_a_bug_and_tells_nothing_of_itself() -> None:
    [job_id] = make()
    with pytest.raises(StageFailed):
        run(job_id, raises(KeyError("hunter2")))
    assert "hunter2" not in view(job_id).model_dump_json()


def test_a_system_exit_passes_and_the_step_stays_taken() -> None:
    [job_id] = make()
    with pytest.raises(SystemExit):
        run(job_id, raises(SystemExit()))
    assert step_of(job_id, SCAN).state is StepState.RUNNING


def test_a_finished_step_is_not_run_again() -> None:
    [job_id] = make()
    run(job_id, nothing)
    with pytest.raises(AlreadyOver) as over:
        run(job_id, raises(AssertionError("ran again")))
    assert (over.value.succeeded, over.value.failed) == (True, False)


def test_a_second_message_does_not_run_what_a_held_one_runs() -> None:
    [job_id] = make()
    client.client().hset(keys.UNACKED, "first", "[]")

    def body(_: Step) -> None:
        with pytest.raises(AlreadyOver) as over:
            run(job_id, raises(AssertionError("ran twice")), tag="second")
        assert (over.value.succeeded, over.value.failed) == (False, False)

    run(job_id, body, tag="first")
    assert step_of(job_id, SCAN).attempt == 1


def test_a_message_runs_what_another_one_left_behind() -> None:
    [job_id] = make()
    with pytest.raises(SystemExit):
        run(job_id, raises(SystemExit()), tag="lost")
    with capture_logs() as lines:
        run(job_id, nothing, tag="sent again")
    assert (step_of(job_id, SCAN).state, step_of(job_id, SCAN).attempt) == (StepState.SUCCEEDED, 2)
    began = next(line for line in lines if line["event"] == "stage.began")
    assert (began["log_level"], began["lost"]) == ("warning", 1)


def test_a_failed_step_is_not_run_again_and_says_that_it_failed() -> None:
    [job_id] = make()
    with pytest.raises(StageFailed):
        run(job_id, raises(Permanent("no")))
    with pytest.raises(AlreadyOver) as over:
        run(job_id, raises(AssertionError("ran again")))
    assert (over.value.succeeded, over.value.failed) == (False, True)


def test_who_was_superseded_leaves_nothing_and_fails_nothing() -> None:
    [job_id] = make()

    def body(step: Step) -> None:
        step.keep(keep("old"))
        take_step(job_id)

    with pytest.raises(AlreadyOver) as over:
        run(job_id, body)
    assert (over.value.succeeded, over.value.failed) == (False, False)
    assert kept() == []
    assert step_of(job_id, SCAN).state is StepState.RUNNING


def test_who_was_superseded_and_then_fails_does_not_fail_the_step() -> None:
    [job_id] = make()

    def body(_: Step) -> None:
        take_step(job_id)
        raise Permanent("too late")

    with pytest.raises(AlreadyOver):
        run(job_id, body)
    assert step_of(job_id, SCAN).state is StepState.RUNNING


def test_a_long_stage_hears_that_it_was_superseded(monkeypatch: pytest.MonkeyPatch) -> None:
    [job_id] = make()
    monkeypatch.setattr("shared.layers.progress.TELL_EVERY_S", 0.0)
    monkeypatch.setattr("shared.layers.progress.KEEP_EVERY_S", 0.0)
    steps: list[int] = []

    def body(step: Step) -> None:
        for done in range(5):
            if done == 2:
                take_step(job_id)
            step.progress(Progress(done=done, total=5))
            steps.append(done)

    with pytest.raises(AlreadyOver):
        run(job_id, body)
    assert steps == [0, 1]


def test_a_job_past_its_deadline_fails_without_running_and_is_told_of() -> None:
    [job_id] = make()
    with pytest.raises(StageFailed):
        run(job_id, raises(AssertionError("ran")), late_s=1)
    failed = step_of(job_id, SCAN)
    assert failed.failure is not None
    assert failed.failure.code == "deadline-passed"
    ran: list[bool] = []
    run(job_id, lambda _: ran.append(True), NOTIFY, late_s=1)
    assert ran == [True]
    assert view(job_id).state is JobState.FAILED


def test_waiting_for_an_absent_store_spends_none_of_the_retries() -> None:
    [job_id] = make()
    with pytest.raises(RetryLater):
        run(job_id, raises(Temporary("not yet")), retries=POLICIES[Temporary.failure_class].retries + 4)
    assert step_of(job_id, SCAN).state is StepState.RETRYING


def test_a_step_that_was_cancelled_meanwhile_stays_cancelled() -> None:
    [job_id] = make()

    def body(step: Step) -> None:
        step.keep(keep("never"))
        with writing() as connection:
            connection.execute(update(steps).where(steps.c.job_id == job_id).values(state=StepState.CANCELLED))

    with pytest.raises(AlreadyOver) as over:
        run(job_id, body)
    assert not over.value.succeeded
    assert (kept(), step_of(job_id, SCAN).state) == ([], StepState.CANCELLED)


def test_a_commit_whose_answer_was_lost_hands_the_chain_on() -> None:
    [job_id] = make()

    def body(step: Step) -> None:
        layer._commit(step)
        raise DatabaseAway("the connection broke after the commit")

    with pytest.raises(AlreadyOver) as over:
        run(job_id, body)
    assert over.value.succeeded
    assert step_of(job_id, SCAN).state is StepState.SUCCEEDED


def test_retries_are_no_dead_workers() -> None:
    [job_id] = make()
    for retries in range(8):
        with pytest.raises(RetryLater):
            run(job_id, raises(Infrastructure("away")), retries=retries)
    run(job_id, nothing, retries=8)
    assert step_of(job_id, SCAN).state is StepState.SUCCEEDED


def test_an_unknown_job_has_nothing_to_run() -> None:
    with pytest.raises(StageFailed):
        run("none", raises(AssertionError("ran")))


def lose_the_store(monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the settings at a database that does not exist; the URL of the one that does."""
    url = settings().database_url.get_secret_value()
    away = url.replace("v.db", "no/v.db").replace("?host=", "?host=/nowhere")
    monkeypatch.setenv("VEDETTE_DATABASE_URL", away)
    forget()
    return url


def forget() -> None:
    engine().dispose()
    forget_connections()
    settings.cache_clear()


@pytest.mark.parametrize("retries", [0, 3, LAST])
def test_a_store_that_is_away_at_the_start_is_waited_for(retries: int, fresh_settings: pytest.MonkeyPatch) -> None:
    [job_id] = make()
    url = lose_the_store(fresh_settings)
    with pytest.raises(RetryLater) as later:
        run(job_id, raises(AssertionError("ran")), retries=retries)
    assert 0 < later.value.after_s <= 60
    fresh_settings.setenv("VEDETTE_DATABASE_URL", url)
    forget()
    run(job_id, nothing, retries=retries + 1)
    assert step_of(job_id, SCAN).state is StepState.SUCCEEDED


@pytest.mark.parametrize("retries", [0, LAST])
@pytest.mark.parametrize("end", [None, Permanent("no"), Temporary("not yet")])
def test_a_store_that_is_away_at_the_end_is_waited_for(
    retries: int, end: Exception | None, fresh_settings: pytest.MonkeyPatch
) -> None:
    [job_id] = make()
    urls: list[str] = []

    def body(step: Step) -> None:
        urls.append(lose_the_store(fresh_settings))
        step.keep(keep("a"))
        if end:
            raise end

    with pytest.raises(RetryLater):
        run(job_id, body, retries=retries)
    fresh_settings.setenv("VEDETTE_DATABASE_URL", urls[0])
    forget()
    assert step_of(job_id, SCAN).state is StepState.RUNNING
    run(job_id, nothing, retries=retries + 1)
    assert step_of(job_id, SCAN).state is StepState.SUCCEEDED


def test_progress_that_cannot_be_kept_ends_no_scan(
    monkeypatch: pytest.MonkeyPatch, fresh_settings: pytest.MonkeyPatch
) -> None:
    [job_id] = make()
    monkeypatch.setattr("shared.layers.progress.KEEP_EVERY_S", 0.0)

    def body(step: Step) -> None:
        url = lose_the_store(fresh_settings)
        step.progress(Progress(done=1, total=2))
        fresh_settings.setenv("VEDETTE_DATABASE_URL", url)
        forget()

    run(job_id, body)
    assert step_of(job_id, SCAN).state is StepState.SUCCEEDED


def job_at_report(*parts: str) -> str:
    [job_id] = make(new_job(parts={REPORT: parts}))
    run_through(job_id, SCAN, PROCESS)
    return job_id


def parts(calls: list[str], failing: Mapping[str, Exception]) -> Callable[[Step], None]:
    def body(step: Step) -> None:
        for name in ("a", "b", "c"):
            with step.part(name) as part:
                if part.is_over:
                    continue
                calls.append(name)
                part.keep(keep(name))
                if name in failing:
                    raise failing[name]

    return body


def test_a_part_that_fails_for_good_leaves_the_others_and_makes_the_job_partial() -> None:
    job_id, calls = job_at_report("a", "b", "c"), list[str]()
    run(job_id, parts(calls, {"b": Permanent("b is broken")}), REPORT)
    run(job_id, nothing, NOTIFY)
    assert (calls, kept()) == (["a", "b", "c"], ["a", "c"])
    assert step_of(job_id, REPORT, "b").state is StepState.FAILED
    assert view(job_id).state is JobState.PARTIAL


def test_a_stage_all_of_whose_parts_failed_has_failed_with_their_message() -> None:
    job_id, calls = job_at_report("a", "b", "c"), list[str]()
    everything = {name: Permanent(f"{name} is broken", cure="Mend it.") for name in "abc"}
    with pytest.raises(StageFailed):
        run(job_id, parts(calls, everything), REPORT)
    failed = step_of(job_id, REPORT).failure
    assert failed is not None
    assert (failed.message, failed.cure) == ("a is broken (and 2 more like it)", "Mend it.")
    run(job_id, nothing, NOTIFY)
    assert (view(job_id).state, kept()) == (JobState.FAILED, [])


def test_the_cpu_time_of_a_stage_is_that_of_all_its_parts() -> None:
    job_id, calls = job_at_report("a", "b", "c"), list[str]()
    with pytest.raises(RetryLater):
        run(job_id, parts(calls, {"b": CpuTimeExceeded("too much")}), REPORT)
    assert (calls, kept()) == (["a", "b"], ["a"])
    failure = step_of(job_id, REPORT).failure
    assert failure is not None
    assert (failure.code, failure.failure_class) == ("cpu-time-exceeded", FailureClass.RESOURCE)


def test_a_retried_stage_runs_only_the_parts_that_are_left() -> None:
    job_id, calls = job_at_report("a", "b", "c"), list[str]()
    with pytest.raises(RetryLater):
        run(job_id, parts(calls, {"b": Temporary("not yet")}), REPORT)
    assert step_of(job_id, REPORT, "b").state is StepState.RETRYING
    run(job_id, parts(calls, {}), REPORT, retries=1)
    assert calls == ["a", "b", "c", "b"]
    assert kept() == ["a", "b", "c"]
    assert step_of(job_id, REPORT).state is StepState.SUCCEEDED


def test_a_part_that_failed_before_a_redelivery_still_counts_after_it() -> None:
    job_id, calls = job_at_report("a", "b", "c"), list[str]()
    broken = {name: Permanent(f"{name} is broken") for name in "ab"}
    with pytest.raises(RetryLater):
        run(job_id, parts(calls, {**broken, "c": Temporary("not yet")}), REPORT)
    for _ in range(2):
        with pytest.raises(RetryLater):
            run(job_id, parts(calls, {"c": Temporary("not yet")}), REPORT)
    with pytest.raises(StageFailed):
        run(job_id, parts(calls, {"c": Temporary("never")}), REPORT)
    assert calls == ["a", "b", "c", "c", "c", "c"]


def test_a_part_whose_write_raises_leaves_nothing_and_does_not_take_the_others_along() -> None:
    job_id = job_at_report("a", "b")

    def body(step: Step) -> None:
        for name in ("a", "b"):
            with step.part(name) as part:
                part.keep(keep(name))
                if name == "a":
                    part.keep(keep(name))

    run(job_id, body, REPORT)
    assert kept() == ["b"]
    assert step_of(job_id, REPORT, "a").state is StepState.FAILED


def test_parts_that_are_only_known_now_are_added() -> None:
    job_id = job_at_report()

    def body(step: Step) -> None:
        for _ in range(2):
            step.expect(["x", "y"])
        with step.part("x"):
            pass

    run(job_id, body, REPORT)
    assert step_of(job_id, REPORT, "x").state is StepState.SUCCEEDED
    assert step_of(job_id, REPORT, "y").state is StepState.PENDING


def test_who_ends_a_step_and_who_takes_it_do_not_wait_for_each_other() -> None:
    """The end writes the job's row too; a redelivery takes the step and then the job. Neither order may lock up."""
    [job_id] = make()
    run(job_id, nothing)
    takers: list[threading.Thread] = []

    def write_the_job(connection: Connection) -> None:
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == job_id).values(grade="A"))
        if engine().dialect.name == "postgresql":
            takers.append(threading.Thread(target=take_step, args=(job_id, PROCESS)))
            takers[0].start()
            takers[0].join(0.5)  # it waits for us, or is done; with the other order of locks, for ever

    run(job_id, lambda step: step.keep(write_the_job), PROCESS)
    for taker in takers:
        taker.join(10)
    assert (view(job_id).grade, step_of(job_id, PROCESS).state) == ("A", StepState.SUCCEEDED)


def test_every_class_is_tested_here() -> None:
    assert {cls.failure_class for cls in (Temporary, External, Infrastructure, Resource, Permanent, Security)} == set(
        FailureClass
    )
    assert ledger.OVER > ledger.DONE


def test_a_bug_on_the_way_to_the_store_is_not_taken_for_an_outage() -> None:
    """Coming back for ever would hide it; its message becomes a dead letter, and the step ends with that."""
    [job_id] = make()
    envelope = Envelope(job_id=job_id, org_id=ORG, kind="host", lane="scan")
    nameless = Delivery(worker=5, retries=0, limit_s=30.0)  # type: ignore[arg-type]  the bug
    with pytest.raises(StatementError), around(SCAN, envelope, nameless):
        pytest.fail("ran")
    assert step_of(job_id, SCAN).state is StepState.PENDING
