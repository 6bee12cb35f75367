"""Replays: in all modes, at the step that failed, once however many ask, and never where that is not safe."""

from __future__ import annotations

import json
import multiprocessing
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import insert, update

from shared import policy, replay, testing
from shared.broker import presence
from shared.broker.presence import WorkerRecord
from shared.contracts.dead_letter import DeadLetterState, DeadLetterView, Reason, Replay, ReplayMode, Selection, Verdict
from shared.contracts.job import JobState, JobView, StageName, StepState
from shared.contracts.lanes import ALL_LANES, LANES
from shared.contracts.scan_rule import Effect, NewScanRule
from shared.errors import FailureClass
from shared.ids import new_id, now
from shared.policy import Reach
from shared.replay import plan
from shared.replay.plan import Surroundings
from shared.settings import settings
from shared.store import (
    audit,
    cancellation,
    dead_letters,
    jobs,
    ledger,
    outbox,
    plugins,
    revival,
    scan_rules,
    settling,
    triage,
)
from shared.store.engine import reading, writing
from shared.store.step import Key
from shared.store.tables import jobs as jobs_table
from shared.store.tables import steps as steps_table
from tests import broker
from tests.shared.store.dying import arrival, entry, fail_step, failed_job, letter_of, take_in
from tests.shared.store.making import ORG, finish_step, make, run_through, take_step

SCAN, PROCESS, REPORT, NOTIFY = StageName
OPEN, REPLAYING, REPLAYED, RESOLVED, DISCARDED, SNOOZED, QUARANTINED = DeadLetterState
AS_IS = Replay()


@pytest.fixture(autouse=True)
def server(database: str, bus_url: str, redis_server: testing.RedisServer) -> Iterator[redis.Redis]:
    """The broker of the other tests, emptied, with workers that take from every lane."""
    with broker.pointed(), redis.Redis.from_url(f"{redis_server.url}?db={settings().redis_broker_db}") as client:
        work(client, *ALL_LANES)
        yield client
        client.flushall()


def work(client: redis.Redis, *lanes: str) -> None:
    record = WorkerRecord(hostname="all@h", service="scan", pid=1, queues=list(lanes), concurrency=1, started_at=now())
    presence.write(client, record)


def again(*ids: str, how: Replay = AS_IS, **fields: Any) -> list[Verdict]:
    return replay.replay(ORG, ids, how, "ann", **fields)


def code(letter_id: str, how: Replay = AS_IS) -> str:
    """Return what a replay says, having seen that a forecast says the same."""
    foreseen = replay.forecast(ORG, Selection(ids=[letter_id]), how)
    [verdict] = again(letter_id, how=how)
    assert [each.code for each in foreseen.samples] == [verdict.code]
    return verdict.code


def get(letter_id: str) -> DeadLetterView:
    with reading() as connection:
        return dead_letters.get(connection, letter_id, ORG)


def view(job_id: str) -> JobView:
    with reading() as connection:
        return jobs.view(connection, job_id)


def states(job_id: str) -> list[StepState]:
    return [step.state for step in view(job_id).steps if not step.part]


def sent(client: redis.Redis) -> Counter[str]:
    """Return the ids of the tasks that wait, and how often each does."""
    found: Counter[str] = Counter()
    for name in client.scan_iter("*"):
        if client.type(name) == b"list" and not name.endswith(b":wake"):
            found.update(json.loads(message)["headers"]["id"] for message in client.lrange(name.decode(), 0, -1))
    return found


def test_a_replay_goes_on_at_the_stage_that_failed(server: redis.Redis) -> None:
    job_id, letter_id = failed_job(stage=REPORT)
    assert again(letter_id) == [Verdict(id=letter_id, job_id=job_id, ok=True)]
    assert sent(server) == {f"{job_id}.report": 1}
    assert (view(job_id).state, view(job_id).run) == (JobState.QUEUED, 2)
    assert states(job_id) == [StepState.SUCCEEDED, StepState.SUCCEEDED, StepState.PENDING, StepState.PENDING]
    assert (get(letter_id).state, get(letter_id).replays) == (REPLAYED, 1)
    run_through(job_id, REPORT, NOTIFY, run=2)
    settling.settle()
    assert get(letter_id).state is RESOLVED


def test_a_replay_that_fails_again_is_a_new_letter_and_an_end_of_the_old() -> None:
    job_id, first = failed_job()
    again(first)
    fail_step(job_id, run=2)
    take_in(arrival(entry(job_id)))
    settling.settle()
    second = letter_of(job_id)
    assert (get(second).replay_of, get(second).state, get(second).run) == (first, OPEN, 2)
    assert get(first).state is REPLAYED
    assert code(first) == "wrong-state"
    assert code(second) == "ok"


def test_of_twenty_who_replay_the_same_letters_each_is_sent_once(server: redis.Redis) -> None:
    made = [failed_job() for _ in range(5)]
    ids = [letter_id for _, letter_id in made]
    with ThreadPoolExecutor(20) as pool:
        verdicts = [each for mine in pool.map(lambda _: again(*ids), range(20)) for each in mine]
    assert Counter(each.id for each in verdicts if each.ok) == dict.fromkeys(ids, 1)
    assert {each.code for each in verdicts if not each.ok} <= {"wrong-state", "superseded", "job-not-over"}
    assert sent(server) == {f"{job_id}.scan": 1 for job_id, _ in made}


def _replay_in_a_process(ids: list[str]) -> int:
    with broker.pointed():
        return sum(each.ok for each in again(*ids))


def test_processes_that_replay_the_same_letters_send_each_once(server: redis.Redis) -> None:
    made = [failed_job() for _ in range(30)]
    ids = [letter_id for _, letter_id in made]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        done = pool.map(_replay_in_a_process, [ids, ids[::-1], ids])
    assert sum(done) == len(ids)
    assert sent(server) == {f"{job_id}.scan": 1 for job_id, _ in made}


def test_letters_of_one_job_are_replayed_from_the_earliest(server: redis.Redis) -> None:
    job_id, first = failed_job(stage=PROCESS)
    take_in(arrival(entry(job_id, NOTIFY)))
    second = letter_of(job_id)
    verdicts = again(second, first)
    assert sorted(each.code for each in verdicts) == ["job-not-over", "ok"]
    assert sent(server) == {f"{job_id}.process": 1}
    run_through(job_id, PROCESS, REPORT, NOTIFY, run=2)
    settling.settle()
    settling.tidy()
    settling.settle()
    settling.tidy()
    assert {get(first).state, get(second).state} == {RESOLVED}


def test_a_whole_job_is_done_again_with_everything() -> None:
    job_id, letter_id = failed_job(stage=REPORT)
    assert code(letter_id, Replay(mode=ReplayMode.WHOLE)) == "ok"
    assert states(job_id) == [StepState.PENDING] * 4


def test_a_job_goes_on_from_any_stage_before_the_one_that_failed() -> None:
    job_id, letter_id = failed_job(stage=REPORT)
    assert code(letter_id, Replay(mode=ReplayMode.FROM_STAGE)) == "stage-missing"
    assert code(letter_id, Replay(mode=ReplayMode.FROM_STAGE, stage=NOTIFY)) == "stage-missing"
    assert code(letter_id, Replay(mode=ReplayMode.FROM_STAGE, stage=PROCESS)) == "ok"
    assert states(job_id) == [StepState.SUCCEEDED, *[StepState.PENDING] * 3]


def test_a_step_that_is_skipped_counts_as_done(server: redis.Redis) -> None:
    job_id, letter_id = failed_job(stage=PROCESS)
    assert code(letter_id, Replay(mode=ReplayMode.SKIP, result="judged by hand")) == "ok"
    assert sent(server) == {f"{job_id}.report": 1}
    assert get(letter_id).state is RESOLVED
    assert next(step for step in view(job_id).steps if step.stage is PROCESS).summary == "judged by hand"
    run_through(job_id, REPORT, NOTIFY, run=2)
    assert view(job_id).state is JobState.SUCCEEDED


def test_the_last_stage_that_is_skipped_ends_the_job(server: redis.Redis) -> None:
    job_id, letter_id = failed_job(stage=NOTIFY)
    assert code(letter_id, Replay(mode=ReplayMode.SKIP)) == "ok"
    assert (view(job_id).state, sent(server)) == (JobState.SUCCEEDED, {})


def test_a_skipped_stage_takes_its_parts_along(server: redis.Redis) -> None:
    job_id, letter_id = failed_job(stage=NOTIFY)
    with writing() as connection:
        part = {"org_id": "local", "job_id": job_id, "stage": NOTIFY, "part": "mailto-1", "state": StepState.FAILED}
        connection.execute(insert(steps_table).values(part))
    assert code(letter_id, Replay(mode=ReplayMode.SKIP)) == "ok"
    assert (view(job_id).state, sent(server)) == (JobState.SUCCEEDED, {})


@pytest.mark.parametrize("lane", LANES[SCAN])
def test_a_scan_can_wait_in_another_lane(server: redis.Redis, lane: str) -> None:
    job_id, letter_id = failed_job()
    assert code(letter_id, Replay(mode=ReplayMode.TO_QUEUE, queue="report")) == "queue-unknown"
    assert code(letter_id, Replay(mode=ReplayMode.TO_QUEUE, queue=lane)) == "ok"
    assert view(job_id).lane == lane
    assert [name.decode() for name in server.scan_iter(f"{lane}\x06*")] == [f"{lane}\x06\x166"]


def test_a_changed_target_is_scanned_again() -> None:
    job_id, letter_id = failed_job(stage=REPORT)
    assert code(letter_id, Replay(mode=ReplayMode.EDITED, changes={"ports": "1-99", "profile": "quick"})) == "ok"
    assert states(job_id) == [StepState.PENDING] * 4
    changed = view(job_id)
    assert (changed.request["target"]["ports"], changed.profile, changed.lane) == ("1-99", "quick", "scan.realtime")


def test_other_reports_are_written_without_another_scan() -> None:
    job_id, letter_id = failed_job(stage=REPORT)
    with writing() as connection:
        plugins.announce(connection, "formats", ["pdf"])
    for unknown in ({"reports": ["nope"]}, {"notify": ["gopher://example.org/"]}):
        assert code(letter_id, Replay(mode=ReplayMode.EDITED, changes=unknown)) == "changes-invalid"
    assert code(letter_id, Replay(mode=ReplayMode.EDITED, changes={"reports": ["pdf"], "notify": []})) == "ok"
    assert states(job_id)[:2] == [StepState.SUCCEEDED] * 2
    assert [step.part for step in view(job_id).steps if step.part] == ["pdf"]


def test_a_deadline_counts_from_the_replay() -> None:
    job_id, letter_id = failed_job()
    assert code(letter_id, Replay(mode=ReplayMode.EDITED, changes={"deadline_s": 60})) == "ok"
    left = view(job_id).deadline_at - now()
    assert timedelta(seconds=30) < left <= timedelta(seconds=60)


def test_a_deadline_that_has_passed_is_a_new_one_in_the_new_run() -> None:
    job_id, letter_id = failed_job()
    with writing() as connection:
        past = {"queued_at": now() - timedelta(hours=2), "deadline_at": now() - timedelta(hours=1)}
        connection.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(**past))
    again(letter_id)
    assert view(job_id).deadline_at > now() + timedelta(minutes=55)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "node"},
        {"not_before": "2030-01-01T00:00:00Z"},
        {"colour": "red"},
        {"ports": "0-99999"},
        {"host": "10.0.0.0/24"},
        {"profile": "slow"},
        {"reports": "html"},
        {"deadline_s": 1},
    ],
)
def test_changes_that_no_submission_could_make_are_refused(changes: dict[str, Any]) -> None:
    job_id, letter_id = failed_job()
    before = view(job_id)
    assert code(letter_id, Replay(mode=ReplayMode.EDITED, changes=changes)) == "changes-invalid"
    assert view(job_id) == before


def test_a_target_that_is_forbidden_now_is_not_scanned_again() -> None:
    job_id, letter_id = failed_job("169.254.169.254")
    _, harmless = failed_job("169.254.169.254", stage=REPORT)
    assert code(letter_id) == "target-refused"
    assert code(letter_id, Replay(force=True)) == "target-refused"
    assert (get(letter_id).state, view(job_id).run) == (OPEN, 1)
    assert code(harmless) == "ok"
    assert code(failed_job()[1], Replay(mode=ReplayMode.EDITED, changes={"host": "169.254.1.1"})) == "target-refused"


@pytest.mark.parametrize("changes", [None, {"ports": "22"}, {"host": "127.0.0.2"}])
def test_a_rule_made_since_holds_for_a_replay_and_an_edit(changes: dict[str, str] | None) -> None:
    _, letter_id = failed_job("127.0.0.1")
    how = Replay(mode=ReplayMode.EDITED, changes=changes) if changes else AS_IS
    assert replay.forecast(ORG, Selection(ids=[letter_id]), how).ok == 1
    with writing(ORG) as connection:
        new = NewScanRule(effect=Effect.DENY, what="127.0.0.0/8")
        rule = scan_rules.add(connection, ORG, new, "ann")
    assert code(letter_id, how) == "target-refused"
    with reading(ORG) as connection:
        [line] = audit.page(connection, ORG, limit=10, action="target.refused")
    assert (line.actor, line.subject, line.detail["rule"]) == ("ann", "replay", f"deny:{rule.id}")


def test_a_cancelled_job_is_not_revived() -> None:
    job_id, letter_id = failed_job()
    with writing() as connection:
        revival.reopen(connection, job_id, by="ann", why="retry")
        cancellation.cancel(connection, [job_id], ORG, "ann")
    assert code(letter_id) == "job-cancelled"


def test_a_job_that_was_revived_by_other_means_takes_its_letters_along() -> None:
    job_id, letter_id = failed_job()
    with writing() as connection:
        revival.reopen(connection, job_id, by="ann", why="retry")
    assert code(letter_id) == "superseded"
    settling.tidy()
    assert get(letter_id).state is REPLAYED
    run_through(job_id, run=2)
    settling.settle()
    assert get(letter_id).state is RESOLVED


def test_a_job_that_runs_is_left_alone() -> None:
    [job_id] = make()
    taken = take_step(job_id)
    take_in(arrival(entry(job_id)))
    assert code(letter_of(job_id)) == "job-not-over"
    finish_step(taken)
    settling.tidy()
    assert get(letter_of(job_id)).state is RESOLVED


def test_poison_is_replayed_alone_and_by_force() -> None:
    _, letter_id = failed_job(reason=Reason.POISON, failure_class=FailureClass.RESOURCE)
    _, other = failed_job()
    force = Replay(force=True)
    assert code(letter_id) == "quarantined"
    assert [each.code for each in again(letter_id, other, how=force)] == ["quarantined", "ok"]
    assert [each.code for each in again(letter_id, how=force, operation_id=new_id())] == ["quarantined"]
    assert code(letter_id, force) == "ok"


def test_nothing_is_sent_where_nobody_takes_it_unless_forced(server: redis.Redis) -> None:
    job_id, letter_id = failed_job()
    server.delete("workers")
    work(server, "process")
    assert code(letter_id) == "no-consumer"
    assert sent(server) == {}
    assert code(letter_id, Replay(force=True)) == "ok"
    assert sent(server) == {f"{job_id}.scan": 1}


def test_letters_of_others_are_not_there() -> None:
    _, letter_id = failed_job()
    assert [each.code for each in replay.replay("other", [letter_id], AS_IS, "ann")] == ["not-found"]
    assert replay.forecast("other", Selection(ids=[letter_id]), AS_IS).total == 0


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (entry(reason=Reason.UNREGISTERED, stage=None, task="odd.run"), "task-unregistered"),
        (entry(new_id()), "payload-invalid"),
    ],
)
def test_what_no_stage_could_run_is_not_sent(made: Any, said: str) -> None:
    take_in(arrival(made))
    with reading() as connection:
        [letter] = dead_letters.page(connection, "local")
    assert [each.code for each in replay.replay("local", [letter.id], AS_IS, "ann")] == [said]


def test_a_job_that_failed_anew_between_the_check_and_the_replay_is_checked_again() -> None:
    job_id, letter_id = failed_job()
    late = replay._Batch(ORG, [letter_id], AS_IS, is_alone=True, around=Surroundings(within=Reach(private=True)))
    with writing() as connection:
        revival.reopen(connection, job_id, by="bob", why="retry")
    fail_step(job_id, run=2)
    with pytest.raises(replay.JobsChanged):
        late.replay("ann", None)
    assert (get(letter_id).state, view(job_id).run) == (OPEN, 2)
    assert code(letter_id) == "superseded"


def test_a_job_that_is_gone_cannot_go_on() -> None:
    job_id, letter_id = failed_job()
    with writing() as connection:
        connection.execute(jobs_table.delete().where(jobs_table.c.id == job_id))
    assert code(letter_id) == "job-gone"
    assert again(new_id())[0].code == "not-found"


def test_a_broker_that_is_away_sends_later(
    server: redis.Redis, fresh_settings: pytest.MonkeyPatch, redis_server: testing.RedisServer
) -> None:
    job_id, letter_id = failed_job()
    with testing.redis_server() as other:
        fresh_settings.setenv("VEDETTE_REDIS_URL", other.url)
        settings.cache_clear()
        with broker.pointed():
            other.stop()
            [verdict] = again(letter_id)
    assert verdict.ok
    assert "wait in the store" in verdict.detail
    assert (get(letter_id).state, view(job_id).state) == (REPLAYING, JobState.QUEUED)
    with reading() as connection:
        assert outbox.unpublished(connection, now() + timedelta(hours=1)) == [job_id]
    with writing() as connection:
        outbox.mark_published(connection, [job_id])
    settling.settle()
    assert get(letter_id).state is REPLAYED


def test_a_forecast_counts_by_code_and_changes_nothing(server: redis.Redis) -> None:
    for host in ("192.0.2.1", "192.0.2.2", "169.254.1.1"):
        failed_job(host)
    _, snoozed = failed_job()
    with writing() as connection:
        triage.snooze(connection, ORG, snoozed, now() + timedelta(hours=1))
    foreseen = replay.forecast(ORG, Selection(all=True), AS_IS)
    assert (foreseen.total, foreseen.ok, foreseen.refused) == (3, 2, {"target-refused": 1})
    assert {each.code for each in foreseen.samples} == {"ok", "target-refused"}
    assert sent(server) == {}


def test_a_stage_that_succeeded_is_not_run_again() -> None:
    job_id, letter_id = failed_job(stage=REPORT)
    again(letter_id)
    for stage in (SCAN, PROCESS):
        assert take_step(job_id, stage, run=2).is_over
    with writing() as connection:
        assert not ledger.take(connection, Key(job_id, ORG, REPORT, run=2), worker="w").is_over


def test_a_bulk_replay_counts_on_its_operation() -> None:
    ids = [failed_job(stage=NOTIFY)[1] for _ in range(3)]
    operation_id = new_id()
    assert all(each.ok for each in again(*ids, operation_id=operation_id))
    assert [each.ok for each in again(*ids, operation_id=operation_id)] == [False] * 3


def test_a_resolver_that_does_not_answer_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = [failed_job(f"host-{number}.example")[1] for number in range(3)]
    answers = threading.Event()

    def silent(*_: object, **__: object) -> None:
        answers.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "silent")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    monkeypatch.setattr(plan, "RESOLVE_ALL_S", 0.0)
    monkeypatch.setattr(plan, "RESOLVE_AT_ONCE", 1)
    try:
        began = time.monotonic()
        foreseen = replay.forecast(ORG, Selection(ids=letters), AS_IS)
        assert (foreseen.ok, foreseen.refused) == (0, {"resolver-away": 3})
        assert time.monotonic() - began < policy.RESOLVE_TIMEOUT_S
    finally:
        answers.set()
