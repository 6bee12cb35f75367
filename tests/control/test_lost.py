"""Steps whose message is gone are sent again, and only they; what is lost every time ends as a dead letter."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from control import lost
from control.lost import LostSteps, TooManyDying
from shared import dlq, testing
from shared.broker import depth, keys, presence
from shared.broker.client import client
from shared.broker.presence import WorkerRecord
from shared.contracts.dead_letter import DeadLetterEntry, Reason
from shared.contracts.events import EventType
from shared.contracts.job import StageName
from shared.contracts.queues import ActiveTask
from shared.ids import now
from shared.pipeline import BrokerAway, submit
from shared.settings import settings
from shared.store import timeline
from shared.store.engine import reading, writing
from shared.store.tables import steps
from tests.shared.store.making import finish_step, make, new_job, take_step

pytestmark = pytest.mark.usefixtures("server")
SCAN, PROCESS, REPORT, NOTIFY = StageName


@pytest.fixture
def look() -> LostSteps:
    return LostSteps()


def queued(count: int = 1) -> list[str]:
    ids = make(*(new_job() for _ in range(count)))
    submit(ids)
    return ids


def repairs_of(job_id: str) -> list[dict[str, str]]:
    with reading() as connection:
        events = timeline.of_job(connection, job_id)
    return [event.data for event in events if event.type is EventType.JOB_REPAIRED]


def waiting() -> set[str]:
    return depth.present(client())


def test_jobs_that_wait_or_run_are_left_alone(look: LostSteps) -> None:
    queued(3)
    assert [look(), look(), look()] == [0, 0, 0]
    assert len(waiting()) == 3


def test_a_flushed_broker_gets_every_job_back_where_it_was(look: LostSteps) -> None:
    first, second, third = queued(3)
    finish_step(take_step(second, SCAN))
    for stage in (SCAN, PROCESS, REPORT):
        finish_step(take_step(third, stage))
    client().flushdb()
    assert look() == 0  # seen missing once: perhaps it is on its way
    assert look() == 3
    assert waiting() == {f"{first}.scan", f"{second}.process", f"{third}.notify"}
    assert [data["what"] for data in repairs_of(second)] == ["message sent again"]
    assert "no queue" in repairs_of(second)[0]["why"]
    assert [look(), look()] == [0, 0]


def test_one_lost_among_many_is_found_by_counting(look: LostSteps) -> None:
    ids = queued(5)
    assert look() == 0
    client().rpop(keys.waiting("scan", 6))
    assert [look(), look()] == [0, 1]
    assert waiting() == {f"{job_id}.scan" for job_id in ids}


def test_one_hidden_behind_other_messages_is_found_in_a_minute(
    look: LostSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job_id] = queued()
    look()
    client().flushdb()
    client().lpush(keys.waiting("scan", 6), "rubbish")
    assert look() == look() == 0  # as many messages as steps
    monkeypatch.setattr(lost, "FULL_EVERY_S", 0.0)
    fresh = LostSteps()
    assert [fresh(), fresh()] == [0, 1]
    assert f"{job_id}.scan" in waiting()


def test_a_step_that_went_on_meanwhile_is_given_another_round(look: LostSteps) -> None:
    [job_id] = queued()
    client().flushdb()
    assert look() == 0
    taken = take_step(job_id)
    assert look() == 0
    finish_step(taken)
    assert look() == 0
    assert look() == 1
    assert waiting() == {f"{job_id}.process"}


def test_a_step_is_given_time(look: LostSteps, fresh_settings: pytest.MonkeyPatch) -> None:
    queued()
    client().flushdb()
    fresh_settings.setenv("VEDETTE_REPUBLISH_AFTER_S", "3600")
    settings.cache_clear()
    assert [look(), look()] == [0, 0]


def working(task_id: str, silent_s: float = 0.0) -> None:
    active = [ActiveTask(task_id=task_id, since=now())]
    made = WorkerRecord(
        hostname="scan@h", service="scan", pid=1, queues=["scan"], concurrency=1, active=active, started_at=now()
    )
    presence.write(client(), made)
    if silent_s:
        old = made.model_copy(update={"at": time.time() - silent_s})
        client().hset(keys.WORKERS, made.hostname, old.model_dump_json())


def dying(task_id: str) -> None:
    entry = DeadLetterEntry(reason=Reason.POISON, failure_class="permanent", task_id=task_id)
    client().xadd(keys.DEAD_LETTERS, dict(dlq.fields(entry, b"")))


def rubbish(_task_id: str) -> None:
    client().hset(keys.WORKERS, "w", "no record")
    client().hset(keys.WORKERS, "v", json.dumps([1]))
    client().xadd(keys.DEAD_LETTERS, {"entry": "[1]"})
    client().xadd(keys.DEAD_LETTERS, {"else": "1"})


@pytest.mark.parametrize(
    ("has_it", "resent"),
    [
        (working, 0),
        (dying, 0),
        (lambda task_id: working(task_id, 60.0), 1),
        (rubbish, 1),
    ],
    ids=["a worker", "a dead letter on its way", "a worker that is gone", "nobody, among rubbish"],
)
def test_a_step_that_somebody_has_is_not_lost(look: LostSteps, has_it: Callable[[str], None], resent: int) -> None:
    [job_id] = queued()
    take_step(job_id)
    client().flushdb()
    has_it(f"{job_id}.scan")
    assert [look(), look()] == [0, resent]


def test_what_is_lost_every_time_becomes_a_dead_letter(look: LostSteps) -> None:
    [job_id] = queued()
    for _ in range(lost.MAX_RESENT):
        client().flushdb()
        assert [look(), look()] == [0, 1]
    client().flushdb()
    assert [look(), look()] == [0, 1]
    [(stream_id, fields)] = client().xrange(keys.DEAD_LETTERS)
    entry, _ = DeadLetterEntry.read(stream_id.decode(), fields)
    assert (entry.reason, entry.failure_class, entry.job_id, entry.stage) == (
        *(Reason.MESSAGE_LOST, "infrastructure", job_id, SCAN),
    )
    assert [look(), look()] == [0, 0]  # until it is taken in
    assert [data["what"] for data in repairs_of(job_id)][-2:] == ["message sent again", "made a dead letter"]


def test_the_pauses_between_resending_grow(look: LostSteps, fresh_settings: pytest.MonkeyPatch) -> None:
    [job_id] = queued()
    backdate(job_id)
    fresh_settings.setenv("VEDETTE_REPUBLISH_AFTER_S", "0.2")
    settings.cache_clear()
    paused_s = []
    for _ in range(3):
        client().flushdb()
        started = time.monotonic()
        testing.wait_for(look, "it is sent again")
        paused_s.append(time.monotonic() - started)
    assert paused_s[1] > 0.4 - 0.1
    assert paused_s[2] > 0.8 - 0.1


def backdate(job_id: str) -> None:
    with writing() as connection:
        mine = (steps.c.job_id == job_id) & steps.c.ready_at.is_not(None)
        connection.execute(update(steps).where(mine).values(ready_at=now() - timedelta(hours=1)))


def test_nothing_is_lost_while_the_broker_is_away(look: LostSteps, server: testing.RedisServer) -> None:
    [job_id] = queued()
    look()
    server.stop()
    with pytest.raises(BrokerAway):
        look()
    server.start()
    assert [look(), look()] == [0, 0]
    assert waiting() == {f"{job_id}.scan"}


def test_nobody_guesses_while_too_many_dead_letters_are_on_their_way(
    look: LostSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost, "DYING_LIMIT", 1)
    queued()
    client().flushdb()
    dying("a")
    dying("b")
    with pytest.raises(TooManyDying):
        look()
