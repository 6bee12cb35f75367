"""Revived jobs: what succeeded stays, what is done again begins anew, and only one can revive a job at a time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from shared.contracts.finding import Assessment
from shared.contracts.job import JobState, StageName, StepState
from shared.contracts.observation import Coverage, Observation
from shared.errors import Conflict
from shared.ids import now
from shared.store import cancellation, evidence, findings, ledger, outbox, reports
from shared.store.engine import reading, writing
from shared.store.ledger import Superseded
from shared.store.revival import (
    JobNotOver,
    JobUnknown,
    NothingFailed,
    Reopened,
    Revival,
    StageMissing,
    reopen,
    reopen_many,
)
from shared.store.tables import jobs, observations, steps
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

FORMATS = ["json", "pdf"]
RATE = 300  # jobs a second that bulk replay needs


def revive(job_id: str, first: StageName | None = None) -> Reopened:
    with writing() as connection:
        return reopen(connection, job_id, first, by="ann", why="retry")


def run_of(job_id: str, *stages: StageName) -> None:
    run = view(job_id).run
    for stage in stages:
        finish_step(take_step(job_id, stage, run=run))


def failed_at(stage: StageName) -> str:
    [job_id] = make(new_job(parts={REPORT: FORMATS}))
    order = list(StageName)
    if stage is not SCAN:
        run_through(job_id, *order[: order.index(stage)])
    fail_step(take_step(job_id, stage))
    if stage is not NOTIFY:
        run_through(job_id, NOTIFY)
    return job_id


@pytest.mark.parametrize("stage", list(StageName))
def test_a_retry_goes_on_where_it_failed(database: str, stage: StageName) -> None:
    job_id = failed_at(stage)
    place = list(StageName).index(stage)
    before = view(job_id)
    reopened = revive(job_id)
    assert (reopened.first, reopened.run, reopened.org_id) == (stage, 2, ORG)
    job = view(job_id)
    assert (job.state, job.run, job.failure, job.finished_at, job.started_at) == (JobState.QUEUED, 2, None, None, None)
    done = [each for each in before.steps if list(StageName).index(each.stage) < place]
    assert job.steps[: len(done)] == done
    again = job.steps[len(done) :]
    assert {each.state for each in again} == {StepState.PENDING}
    assert [each.stage for each in again if each.ready_at] == [stage]
    assert all((each.failure, each.summary, each.started_at, each.worker) == (None, "", None, "") for each in again)
    with reading() as connection:
        [message] = outbox.outgoing(connection, [job_id])
    assert (message.first, message.envelope.run) == (stage, 2)
    run_of(job_id, *list(StageName)[place:])
    assert view(job_id).state is JobState.SUCCEEDED
    assert step(job_id, stage).attempt == 2
    assert told(job_id).count("job.started") == 2


def test_its_events_say_who_why_and_from_where(database: str) -> None:
    job_id = failed_at(PROCESS)
    last = view(job_id).trace_id
    revived, queued = revive(job_id).events
    assert (revived.type, queued.type) == ("job.revived", "job.queued")
    assert revived.data == {"run": 2, "from": "process", "by": "ann", "why": "retry", "last_trace_id": last}
    assert events(job_id)[-2:] == [revived, queued]


def test_a_resumed_stage_is_done_again_though_it_had_succeeded(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: FORMATS}))
    run_through(job_id)
    assert revive(job_id, REPORT).first is REPORT
    assert states(job_id) == ["succeeded", "succeeded", "pending", "pending"]


def test_a_retry_of_a_stage_does_only_the_parts_again_that_failed(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: FORMATS}))
    run_through(job_id, SCAN, PROCESS)
    stage = take_step(job_id, REPORT)
    finish_step(take_step(job_id, REPORT, "json"))
    fail_step(take_step(job_id, REPORT, "pdf"))
    finish_step(stage)
    run_through(job_id, NOTIFY)
    assert view(job_id).state is JobState.PARTIAL
    assert revive(job_id).first is REPORT
    assert step(job_id, REPORT, "json").state is StepState.SUCCEEDED
    assert step(job_id, REPORT, "pdf").state is StepState.PENDING
    assert step(job_id, NOTIFY).state is StepState.PENDING


def test_what_is_done_again_leaves_no_results_of_the_last_run(database: str) -> None:
    [job_id] = make(new_job(parts={REPORT: FORMATS}))
    seen = Observation(type="port", subject="x", data={}, observed_at=now())
    view_of_report = reports.describe(job_id, "json", "a/b", "f", b"{}")
    with writing() as connection:
        evidence.save(connection, job_id, ORG, [seen], Coverage())
        findings.save(connection, job_id, ORG, [], Assessment(score=9, grade="A"))
        reports.save(connection, ORG, view_of_report, b"{}")
    run_through(job_id)
    revive(job_id, REPORT)
    with reading() as connection:
        assert (reports.of_job(connection, job_id), view(job_id).score) == ([], 9)
        assert findings.assessment(connection, job_id) is not None
    run_of(job_id, REPORT, NOTIFY)
    revive(job_id, SCAN)
    with reading() as connection:
        assert findings.assessment(connection, job_id) is None
        assert connection.execute(select(func.count()).select_from(observations)).scalar_one() == 0
    assert (view(job_id).score, view(job_id).grade) == (None, None)


def test_a_job_that_is_on_its_way_is_not_revived(database: str) -> None:
    queued, running, retrying, cancelling, scheduled = make(
        *(new_job() for _ in range(4)), new_job(due_at=now() + timedelta(hours=1))
    )
    take_step(running)
    retry_step(take_step(retrying))
    take_step(cancelling)
    with writing() as connection:
        cancellation.cancel(connection, [cancelling], ORG, "ann")
    for job_id in (queued, running, retrying, cancelling, scheduled):
        with pytest.raises(JobNotOver, match=view(job_id).state):
            revive(job_id)
    with pytest.raises(JobUnknown):
        revive("none")


def test_a_failed_job_is_revived_before_anybody_was_told(database: str) -> None:
    [job_id] = make()
    fail_step(take_step(job_id))
    assert revive(job_id).first is SCAN
    assert take_step(job_id, NOTIFY).state is StepState.CANCELLED  # the message that was to tell of it is of run 1
    run_of(job_id, *StageName)
    assert view(job_id).state is JobState.SUCCEEDED


def test_a_job_of_whose_failure_somebody_is_being_told_is_not(database: str) -> None:
    [job_id] = make()
    fail_step(take_step(job_id))
    take_step(job_id, NOTIFY)
    with pytest.raises(JobNotOver):
        revive(job_id)


def test_what_succeeded_has_nothing_to_retry(database: str) -> None:
    [job_id] = make()
    run_through(job_id)
    with pytest.raises(NothingFailed):
        revive(job_id)


def test_a_stage_does_not_begin_without_what_it_needs(database: str) -> None:
    with pytest.raises(StageMissing, match="scan has not succeeded"):
        revive(failed_at(SCAN), REPORT)


def test_a_cancelled_job_goes_on_where_it_was_stopped(database: str) -> None:
    [job_id] = make()
    run_through(job_id, SCAN)
    with writing() as connection:
        cancellation.cancel(connection, [job_id], ORG, "ann")
    assert revive(job_id).first is PROCESS
    assert view(job_id).cancelled_by == ""
    run_of(job_id, PROCESS)
    assert view(job_id).state is JobState.RUNNING
    run_of(job_id, REPORT, NOTIFY)
    assert view(job_id).state is JobState.SUCCEEDED


def test_whoever_still_has_a_step_of_the_last_run_can_end_nothing(database: str) -> None:
    [job_id] = make()
    zombie = take_step(job_id)
    with writing() as connection:
        ledger.bury(connection, job_id, ORG, SCAN, BROKEN)
    revive(job_id)
    for end in (finish_step, fail_step, retry_step):
        with pytest.raises(Superseded):
            end(zombie)
    assert take_step(job_id).state is StepState.CANCELLED
    assert view(job_id).state is JobState.QUEUED


def test_the_deadline_is_as_far_off_as_it_was_at_first(database: str) -> None:
    [job_id] = make(new_job(deadline_at=now() + timedelta(minutes=30)))
    fail_step(take_step(job_id))
    for _ in range(3):
        with writing() as connection:  # the last run began an hour ago
            hour = timedelta(hours=1)
            row = connection.execute(select(jobs.c.queued_at, jobs.c.deadline_at)).one()
            connection.execute(update(jobs).values(queued_at=row.queued_at - hour, deadline_at=row.deadline_at - hour))
        revive(job_id)
        deadline_at = view(job_id).deadline_at
        assert deadline_at is not None
        assert abs((deadline_at - now()).total_seconds() - 1800) < 20
        fail_step(take_step(job_id, run=view(job_id).run))


def test_the_seconds_are_those_of_the_new_run(database: str) -> None:
    job_id = failed_at(REPORT)
    with writing() as connection:  # all of it was a day ago
        day = timedelta(days=1)
        for row in connection.execute(select(steps).where(steps.c.started_at.is_not(None))).mappings().all():
            mine = (steps.c.stage == row["stage"], steps.c.part == row["part"])
            moved = {name: row[name] - day for name in ("ready_at", "started_at", "finished_at")}
            connection.execute(update(steps).where(*mine).values(**moved))
    revive(job_id)
    assert (view(job_id).total_s, view(job_id).waited_s, view(job_id).ran_s) == (None, None, None)
    run_of(job_id, REPORT, NOTIFY)
    job = view(job_id)
    assert job.total_s is not None
    assert job.ran_s is not None
    assert job.waited_s == pytest.approx(job.total_s - job.ran_s, abs=0.002)
    assert job.total_s < 60
    assert events(job_id)[-1].data["total_s"] == job.total_s


def test_of_many_who_revive_a_job_at_once_one_does(database: str) -> None:
    job_id = failed_at(SCAN)
    done = at_once(8, lambda _: revive(job_id))
    assert sum(isinstance(one, Reopened) for one in done) == 1
    assert sum(isinstance(one, JobNotOver) for one in done) == 7
    assert (view(job_id).run, told(job_id).count("job.revived")) == (2, 1)


def test_many_are_revived_in_one_go_each_with_its_answer(database: str) -> None:
    failed, fine, running = failed_at(SCAN), make()[0], make()[0]
    run_through(fine)
    take_step(running)
    wanted = [Revival(failed), Revival(fine), Revival(running), Revival("none"), Revival(failed), Revival(fine, NOTIFY)]
    with writing() as connection:
        done = reopen_many(connection, wanted, by="ann", why="replay")
    assert [type(one) for one in done] == [Reopened, NothingFailed, JobNotOver, JobUnknown, JobNotOver, Reopened]
    assert [one.first for one in done if isinstance(one, Reopened)] == [SCAN, NOTIFY]
    assert [len(one.events) for one in done if isinstance(one, Reopened)] == [2, 2]


def test_bulk_revival_is_fast_enough(database: str) -> None:
    ids = make(*(new_job(parts={REPORT: FORMATS}) for _ in range(400)))
    with writing() as connection:
        for job_id in ids:
            ledger.bury(connection, job_id, ORG, SCAN, BROKEN)
    rates = []
    for start in range(0, 400, 100):
        started = time.perf_counter()
        with writing() as connection:
            done = reopen_many(connection, [Revival(each) for each in ids[start : start + 100]], by="ann", why="replay")
        rates.append(100 / (time.perf_counter() - started))
        assert not [one for one in done if isinstance(one, Conflict)]
    assert max(rates) > RATE  # the best: others use this machine too
