"""What people do to jobs: checked again, written down, and sent on their way once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from shared import intervention, pipeline
from shared.broker import flags
from shared.broker.client import client as broker_client
from shared.broker.client import forget as forget_client
from shared.contracts.job import JobState, StageName
from shared.contracts.submission import Options
from shared.ids import now
from shared.policy import TargetRefused
from shared.settings import settings
from shared.store import audit, jobs, ledger, outbox, plugins
from shared.store.engine import reading, writing
from shared.store.revival import JobNotOver, NothingFailed, StageMissing
from tests import broker
from tests.shared.store.ledgers import (
    BROKEN,
    NOTIFY,
    PROCESS,
    REPORT,
    SCAN,
    fail_step,
    retry_step,
    states,
    told,
    view,
)
from tests.shared.store.making import ORG, make, new_job, run_through, take_step

FORBIDDEN = "169.254.169.254"


@pytest.fixture(autouse=True)
def client(database: str, bus_url: str) -> Iterator[redis.Redis]:
    """A client of the broker's database."""
    with broker.pointed():
        yield broker_client()


def written() -> list[tuple[str, str]]:
    """The audit: actor and action, newest first."""
    with reading() as connection:
        return [(line.actor, line.action) for line in audit.page(connection, ORG, limit=100)]


def lanes(client: redis.Redis) -> dict[str, int]:
    """How many messages wait in each lane that has some."""
    names = ["scan", "process", "report", "notify"]
    counts = {name: sum(int(client.llen(f"{name}{step}")) for step in ("", *STEPS)) for name in names}
    return {name: count for name, count in counts.items() if count}


STEPS = [f"\x06\x16{step}" for step in (3, 6, 9)]


def failed(host: str = "127.0.0.1", stage: StageName = SCAN) -> str:
    [job_id] = make(new_job(host, options=Options(reports=["json"])))
    before = list(StageName)[: list(StageName).index(stage)]
    if before:
        run_through(job_id, *before)
    fail_step(take_step(job_id, stage))
    run_through(job_id, NOTIFY)
    return job_id


def test_cancelling_flags_what_runs_and_says_who_did_it(client: redis.Redis) -> None:
    idle, running = make(new_job(), new_job())
    take_step(running)
    first = intervention.cancel(ORG, [idle, running, "none"], "ann")
    again = intervention.cancel(ORG, [idle, running], "bob")
    assert [one.state for one in first] == [JobState.CANCELLED, JobState.CANCELLING, None]
    assert [one.is_new for one in again] == [False, False]
    assert flags.flagged(client, [idle, running]) == {running}
    assert written() == [("ann", "job.cancel")] * 2
    assert view(idle).cancelled_by == "ann"


def test_one_that_has_ended_is_not_cancelled_and_says_so() -> None:
    [job_id] = make()
    run_through(job_id)
    with pytest.raises(intervention.JobOver, match="succeeded"):
        intervention.cancel_one(ORG, job_id, "ann")
    with pytest.raises(jobs.JobNotFound):
        intervention.cancel_one("other", job_id, "ann")
    [other] = make()
    assert [intervention.cancel_one(ORG, other, "ann").state for _ in range(2)] == [JobState.CANCELLED] * 2


def test_a_broker_that_is_away_cancels_all_the_same(fresh_settings: pytest.MonkeyPatch) -> None:
    [job_id] = make()
    take_step(job_id)
    fresh_settings.setenv("VEDETTE_REDIS_URL", "unix:///nowhere")
    settings.cache_clear()
    forget_client()
    assert intervention.cancel_one(ORG, job_id, "ann").state is JobState.CANCELLING


@pytest.mark.parametrize("stage", [SCAN, PROCESS, REPORT])
def test_a_retry_is_sent_to_the_stage_that_failed(client: redis.Redis, stage: StageName) -> None:
    job_id = failed(stage=stage)
    reopened = intervention.retry(ORG, job_id, "ann")
    assert (reopened.first, reopened.run) == (stage, 2)
    assert lanes(client) == {stage.value: 1}
    assert view(job_id).state is JobState.QUEUED
    assert written() == [("ann", "job.retry")]
    assert told(job_id)[-2:] == ["job.revived", "job.queued"]


def test_a_revived_job_is_published_once_whoever_else_submits_it(client: redis.Redis) -> None:
    job_id = failed(stage=REPORT)
    intervention.retry(ORG, job_id, "ann")
    with reading() as connection:
        assert outbox.unpublished(connection, now()) == []
    pipeline.submit([job_id])
    assert lanes(client) == {"report": 1}


def test_the_flag_of_the_last_run_is_gone_when_the_next_begins(client: redis.Redis) -> None:
    [job_id] = make()
    intervention.cancel(ORG, [job_id], "ann")
    flags.flag(client, [job_id])
    intervention.retry(ORG, job_id, "ann")
    assert flags.flagged(client, [job_id]) == set()


def test_a_resume_begins_at_its_stage(client: redis.Redis) -> None:
    [job_id] = make()
    run_through(job_id)
    intervention.resume(ORG, job_id, REPORT, "ann")
    assert (lanes(client), states(job_id)) == ({"report": 1}, ["succeeded", "succeeded", "pending", "pending"])
    assert written() == [("ann", "job.resume")]


def test_what_is_not_possible_is_refused_with_a_cure() -> None:
    running, retrying, fine = make(new_job(), new_job(), new_job())
    take_step(running)
    retry_step(take_step(retrying))
    run_through(fine)
    for job_id, refusal in ((running, JobNotOver), (retrying, JobNotOver), (fine, NothingFailed)):
        with pytest.raises(refusal) as refused:
            intervention.retry(ORG, job_id, "ann")
        assert refused.value.cure
    with pytest.raises(StageMissing):
        intervention.resume(ORG, failed(), REPORT, "ann")
    with pytest.raises(jobs.JobNotFound):
        intervention.retry("other", fine, "ann")
    assert written() == []


def test_a_scan_that_is_forbidden_by_now_is_not_done_again(client: redis.Redis) -> None:
    forbidden = failed(FORBIDDEN)
    for act in (intervention.retry, intervention.rerun):
        announce()
        with pytest.raises(TargetRefused):
            act(ORG, forbidden, "ann")
    with pytest.raises(TargetRefused):
        intervention.resume(ORG, forbidden, SCAN, "ann")
    assert (view(forbidden).state, lanes(client)) == (JobState.FAILED, {})
    assert written() == [("ann", "target.refused")] * 3


def test_what_is_not_scanned_again_needs_no_target_that_is_allowed(client: redis.Redis) -> None:
    job_id = failed(FORBIDDEN, REPORT)
    intervention.retry(ORG, job_id, "ann")
    assert lanes(client) == {"report": 1}


def announce(*formats: str) -> None:
    with writing() as connection:
        plugins.announce(connection, "formats", formats or ("json", "html"))
        plugins.announce(connection, "channels", ["https", "mailto"])


def test_a_rerun_is_a_new_job_of_the_same_request(client: redis.Redis) -> None:
    announce()
    options = Options(
        reports=["json"],
        tags={"a": "b"},
        deadline_s=600,
        not_before=now() + timedelta(seconds=900),
        notify=["mailto:a@b"],
    )
    [job_id] = make(new_job(options=options, deadline_at=now()))
    made = view(intervention.rerun(ORG, job_id, "ann"))
    assert (made.origin_id, made.run, made.state, made.tags) == (job_id, 1, JobState.QUEUED, {"a": "b"})
    assert [(each.stage, each.part) for each in made.steps if each.part] == [(REPORT, "json")]
    assert made.deadline_at is not None
    assert 500 < (made.deadline_at - now()).total_seconds() <= 600
    assert lanes(client) == {"scan": 1}
    assert (written(), told(made.id)) == ([("ann", "job.rerun")], ["job.created", "job.queued"])
    assert view(job_id).origin_id is None


def test_a_rerun_needs_the_plugins_that_the_job_wants() -> None:
    announce("html")
    with pytest.raises(intervention.PluginGone, match="json"):
        intervention.rerun(ORG, failed(), "ann")


def test_a_broker_that_is_away_delays_what_was_revived(fresh_settings: pytest.MonkeyPatch) -> None:
    job_id = failed(stage=REPORT)
    fresh_settings.setenv("VEDETTE_REDIS_URL", "unix:///nowhere")
    settings.cache_clear()
    forget_client()
    with broker.pointed():
        intervention.retry(ORG, job_id, "ann")
    with reading() as connection:
        assert outbox.unpublished(connection, now()) == [job_id]


def test_a_buried_job_is_retried_as_any_other() -> None:
    [job_id] = make()
    take_step(job_id)
    with writing() as connection:
        ledger.bury(connection, job_id, ORG, SCAN, BROKEN.model_copy(update={"is_dead": True}))
    run_through(job_id, NOTIFY)
    assert view(job_id).state is JobState.DEAD
    assert intervention.retry(ORG, job_id, "ann").first is SCAN
