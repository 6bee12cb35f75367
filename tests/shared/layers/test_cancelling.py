"""A stage whose job is cancelled while it runs: it stops soon, nothing comes after it, and nothing is tried again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from shared.broker import client, flags
from shared.contracts.envelope import Envelope
from shared.contracts.job import JobState, Progress, StageName, StepState
from shared.errors import Permanent, Temporary
from shared.layers import around, progress
from shared.layers.delivery import Delivery
from shared.layers.ledger import AlreadyOver, Step
from shared.settings import settings
from shared.store import cancellation
from shared.store.engine import writing
from tests.shared.store.ledgers import NOTIFY, PROCESS, REPORT, SCAN, states, step, told, view
from tests.shared.store.making import ORG, make, new_job, run_through

pytestmark = pytest.mark.usefixtures("database", "bus_url")

DELIVERY = Delivery("w@h", 0, 30.0)
MANY = 10_000_000  # rounds that a stage makes before it gives up to be cancelled


def envelope(job_id: str, run: int = 1) -> Envelope:
    return Envelope(job_id=job_id, org_id=ORG, kind="host", lane="scan", run=run)


def run(job_id: str, body: Callable[[Step], object], stage: StageName = SCAN) -> AlreadyOver:
    """Run a stage that must end because its job was cancelled."""
    with pytest.raises(AlreadyOver) as over, around(stage, envelope(job_id), DELIVERY) as mine:
        body(mine)
    return over.value


def cancel(job_id: str, *, is_flagged: bool = True) -> None:
    with writing() as connection:
        cancellation.cancel(connection, [job_id], ORG, "ann")
    if is_flagged:
        flags.flag(client.client(), [job_id])


def goes_on_until_stopped(mine: Step) -> None:
    for done in range(MANY):
        mine.progress(Progress(done=done, total=MANY))
    raise AssertionError("nobody stopped it")


def test_a_stage_that_tells_its_progress_stops_by_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "KEEP_EVERY_S", 3600.0)
    [job_id] = make()

    def body(mine: Step) -> None:
        mine.progress(Progress(done=0, total=1))
        cancel(job_id)
        goes_on_until_stopped(mine)

    over = run(job_id, body)
    assert (over.succeeded, over.failed) == (False, False)
    assert (view(job_id).state, states(job_id)) == (JobState.CANCELLED, ["cancelled"] * 4)
    assert told(job_id)[-2:] == ["stage.cancelled", "job.finished"]


@pytest.mark.parametrize("has_broker", [True, False])
def test_without_the_flag_it_stops_by_the_store(has_broker: bool, fresh_settings: pytest.MonkeyPatch) -> None:
    [job_id] = make()
    if not has_broker:
        fresh_settings.setenv("VEDETTE_REDIS_URL", "unix:///nowhere")
        settings.cache_clear()
        client.forget()

    def body(mine: Step) -> None:
        cancel(job_id, is_flagged=False)
        goes_on_until_stopped(mine)

    run(job_id, body)
    assert view(job_id).state is JobState.CANCELLED


def test_the_flag_of_an_earlier_run_stops_nobody() -> None:
    [job_id] = make()
    flags.flag(client.client(), [job_id])
    with around(SCAN, envelope(job_id), DELIVERY) as mine:
        mine.progress(Progress(done=0, total=1))
    assert step(job_id, SCAN).state is StepState.SUCCEEDED


def test_a_stage_of_parts_stops_between_two() -> None:
    [job_id] = make(new_job(parts={REPORT: ["a", "b", "c"]}))
    run_through(job_id, SCAN, PROCESS)
    began: list[str] = []

    def body(mine: Step) -> None:
        for name in "abc":
            with mine.part(name):
                began.append(name)
                if name == "b":
                    cancel(job_id)

    run(job_id, body, REPORT)
    assert began == ["a", "b"]
    assert {each.part: each.state.value for each in view(job_id).steps if each.part} == {
        "a": "succeeded",
        "b": "succeeded",
        "c": "cancelled",
    }
    assert view(job_id).state is JobState.CANCELLED


@pytest.mark.parametrize("exc", [Permanent("no"), Temporary("not yet")])
def test_a_stage_that_fails_meanwhile_is_not_tried_again_and_no_dead_letter(exc: Exception) -> None:
    [job_id] = make()

    def body(_: Step) -> None:
        cancel(job_id)
        raise exc

    over = run(job_id, body)
    assert (over.succeeded, over.failed, over.failure) == (False, False, None)
    assert view(job_id).state is JobState.CANCELLED


def test_a_stage_that_was_done_before_it_heard_of_it_keeps_its_result() -> None:
    [job_id] = make()
    with around(SCAN, envelope(job_id), DELIVERY):
        cancel(job_id)
    assert (view(job_id).state, step(job_id, SCAN).state) == (JobState.CANCELLED, StepState.SUCCEEDED)
    for stage in (PROCESS, NOTIFY):
        run(job_id, lambda _: pytest.fail("ran"), stage)


def test_a_message_of_an_earlier_run_runs_nothing() -> None:
    [job_id] = make()
    with pytest.raises(AlreadyOver) as over, around(SCAN, envelope(job_id, run=7), DELIVERY):
        pytest.fail("ran")
    assert not over.value.succeeded
    assert view(job_id).state is JobState.QUEUED


def test_a_flag_is_looked_for_now_and_then_only() -> None:
    [job_id] = make()
    rounds = count()
    with around(SCAN, envelope(job_id), DELIVERY) as mine:
        before = _commands()
        while next(rounds) < 1000:
            mine.progress(Progress(done=0, total=1))
        assert _commands() - before < 50


def _commands() -> int:
    stats = client.client().info("commandstats").get("cmdstat_zmscore", {})
    return int(stats.get("calls", 0))
