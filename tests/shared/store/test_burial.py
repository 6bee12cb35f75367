"""Dead letters come in exactly once; what nobody will finish ends; rules class them."""

from __future__ import annotations

import pytest

from shared.contracts.dead_letter import DeadLetterEntry, DeadLetterState, DeadLetterView, ErrorDetail, Reason
from shared.contracts.job import JobState, JobView, StageName, StepState
from shared.contracts.triage import NewRule
from shared.errors import FailureClass
from shared.ids import new_id
from shared.store import audit, cancellation, dead_letters, dlq_rules, jobs, revival, triage
from shared.store.burial import ACTOR, NOBODY
from shared.store.engine import reading, writing
from tests.shared.store.dying import arrival, entry, fail_step, failed_job, letter_of, message, take_in
from tests.shared.store.making import ORG, make, run_through, take_step

SCAN, PROCESS, REPORT, NOTIFY = StageName

pytestmark = pytest.mark.usefixtures("database")


def letters(org_id: str = ORG) -> list[DeadLetterView]:
    with reading() as connection:
        return dead_letters.page(connection, org_id, limit=1000)


def letter(job_id: str) -> DeadLetterView:
    with reading() as connection:
        return dead_letters.get(connection, letter_of(job_id), ORG)


def view(job_id: str) -> JobView:
    with reading() as connection:
        return jobs.view(connection, job_id)


def reopen(job_id: str) -> None:
    with writing() as connection:
        revival.reopen(connection, job_id, by="ann", why="retry")


def poison(job_id: str, stage: StageName = SCAN) -> DeadLetterEntry:
    error = ErrorDetail(type="DeliveriesLost", code="deliveries-lost", message="Delivered 5 times.")
    return entry(job_id, stage, reason=Reason.POISON, failure_class=FailureClass.RESOURCE, error=error)


def test_a_letter_says_all_that_its_entry_and_its_job_say() -> None:
    job_id, letter_id = failed_job("192.0.2.7", deliveries=2, retries=3, memory_bytes=7, versions={"vedette": "1"})
    found = letter(job_id)
    assert (found.id, found.job_id, found.org_id, found.target) == (letter_id, job_id, ORG, "192.0.2.7")
    assert (found.state, found.failure_class, found.reason) == (DeadLetterState.OPEN, "temporary", "stage-failed")
    assert (found.rule, found.worker, found.trace_id) == ("raises Temporary (HostUnreachable)", "scan@h", "ab" * 16)
    assert (found.deliveries, found.retries, found.memory_bytes, found.count, found.run) == (2, 3, 7, 1, 1)
    assert found.versions == {"vedette": "1"}
    assert found.error.message == "127.0.0.1 did not answer."


def test_an_entry_that_comes_twice_is_one_letter() -> None:
    [job_id] = make()
    fail_step(job_id)
    same = arrival(entry(job_id))
    nobodys = arrival(entry(reason=Reason.NOT_A_TASK))
    for _ in range(3):
        take_in(same, nobodys)
    assert [each.count for each in letters()] == [1]
    assert [each.count for each in letters(NOBODY)] == [1]


def test_letters_of_one_step_are_one_however_often_their_entries_come() -> None:
    [job_id] = make()
    fail_step(job_id)
    batch = [arrival(entry(job_id, deliveries=number)) for number in (1, 3, 2)]
    for _ in range(3):
        take_in(*batch)
    take_in(*batch[1:])
    found = letter(job_id)
    assert (found.count, found.deliveries, len(letters())) == (3, 3, 1)


def test_letters_of_other_steps_are_others() -> None:
    [job_id] = make()
    fail_step(job_id)
    take_in(arrival(entry(job_id)), arrival(entry(job_id, NOTIFY)))
    assert {each.stage for each in letters()} == {SCAN, NOTIFY}


def test_a_step_that_nobody_will_finish_ends_and_its_job_is_dead() -> None:
    [job_id] = make()
    take_step(job_id)
    done = take_in(arrival(poison(job_id)))
    assert done.untold == [(job_id, NOTIFY)]
    assert [step.state for step in view(job_id).steps] == [
        *(StepState.FAILED, StepState.SKIPPED, StepState.SKIPPED, StepState.PENDING)
    ]
    run_through(job_id, NOTIFY)
    ended = view(job_id)
    assert ended.state is JobState.DEAD
    assert ended.failure is not None
    assert (ended.failure.code, ended.failure.is_dead) == ("deliveries-lost", True)
    assert letter(job_id).state is DeadLetterState.QUARANTINED


def test_after_a_crash_between_commit_and_sending_the_last_stage_is_sent_all_the_same() -> None:
    [job_id] = make()
    same = arrival(poison(job_id))
    take_in(same)
    assert take_in(same).untold == [(job_id, NOTIFY)]
    run_through(job_id, NOTIFY)
    assert take_in(same).untold == []


def test_the_ledger_is_believed_where_the_worker_wrote_it() -> None:
    job_id, _ = failed_job()
    assert view(job_id).state is JobState.FAILED


def test_a_letter_of_an_earlier_run_harms_nothing() -> None:
    job_id, _ = failed_job()
    reopen(job_id)
    late = entry(job_id, PROCESS, reason=Reason.HARD_LIMIT)
    assert take_in(arrival(late, message(job_id, PROCESS), run=1)).untold == []
    assert view(job_id).state is JobState.QUEUED
    assert letter(job_id).state is DeadLetterState.REPLAYED
    assert "revived" in letter(job_id).note


def test_a_new_failure_after_a_replay_names_the_letter_that_was_replayed() -> None:
    job_id, first = failed_job()
    reopen(job_id)
    with writing() as connection:
        triage.move(connection, ORG, [first], DeadLetterState.REPLAYED, of=(DeadLetterState.OPEN,))
    fail_step(job_id, run=2)
    take_in(arrival(entry(job_id), run=2))
    assert (letter(job_id).replay_of, letter(job_id).run) == (first, 2)


def test_the_letter_of_a_cancelled_job_needs_nobody() -> None:
    [job_id] = make()
    with writing() as connection:
        cancellation.cancel(connection, [job_id], ORG, "ann")
    take_in(arrival(entry(job_id, reason=Reason.HARD_LIMIT)))
    assert letter(job_id).state is DeadLetterState.DISCARDED


@pytest.mark.parametrize("org_id", ["another", "x" * 200])
def test_a_job_of_somebody_else_is_not_touched(org_id: str) -> None:
    [job_id] = make()
    take_in(arrival(entry(job_id, reason=Reason.HARD_LIMIT, org_id=org_id)))
    assert view(job_id).state is JobState.QUEUED
    [found] = letters(NOBODY)
    assert found.job_id is None


def test_what_names_no_job_is_kept_for_the_operator() -> None:
    take_in(arrival(entry(new_id())), arrival(entry(stage=None, reason=Reason.NOT_A_TASK)))
    assert [(each.job_id, each.org_id) for each in letters(NOBODY)] == [(None, NOBODY)] * 2


def test_names_of_any_length_and_sign_are_kept_as_far_as_they_go() -> None:
    long = "\x00\ud800é" * 1000
    error = ErrorDetail(type=long, code=long, message=long, traceback=long)
    odd = entry(stage=None, queue=long, task=long, task_id=long, worker=long, traceparent=long, error=error, rule=long)
    take_in(arrival(odd, raw=b"\xff\x00" * 1000))
    assert letters(NOBODY)[0].count == 1


def test_a_second_letter_that_is_poison_quarantines_the_first() -> None:
    job_id, _ = failed_job()
    take_in(arrival(poison(job_id)))
    assert (letter(job_id).state, letter(job_id).is_poison) == (DeadLetterState.QUARANTINED, True)


def test_a_rule_overrules_the_class_and_counts_its_hits() -> None:
    with writing() as connection:
        rule = dlq_rules.add(
            connection, ORG, NewRule(stage=SCAN, contains="NOT ANSWER", failure_class=FailureClass.EXTERNAL), "ann"
        )
    job_id, _ = failed_job()
    assert (letter(job_id).failure_class, letter(job_id).rule) == (FailureClass.EXTERNAL, dlq_rules.told(rule))
    with reading() as connection:
        assert [each.hits for each in dlq_rules.all_of(connection, ORG)] == [1]


def test_what_security_refused_is_written_into_the_audit() -> None:
    job_id, letter_id = failed_job(failure_class=FailureClass.SECURITY)
    failed_job()
    with reading() as connection:
        [line] = audit.page(connection, ORG, limit=10)
    assert (line.actor, line.action, line.subject) == (ACTOR, "security.refused", f"dead-letter:{letter_id}")
    assert line.detail["job_id"] == job_id
