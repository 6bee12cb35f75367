"""Dead letters go from the stream into SQL exactly once, whatever they hold and whenever the ingester is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from control import ingester
from shared import dlq, testing
from shared.broker import keys, refusals
from shared.broker.client import BrokerAway
from shared.contracts.dead_letter import MAX_RAW, DeadLetterState, DeadLetterView, ErrorDetail, Reason
from shared.contracts.job import JobState, StageName, StepState
from shared.errors import FailureClass
from shared.settings import settings
from shared.store import dead_letters, jobs
from shared.store.engine import engine, reading, writing
from shared.store.tables import jobs as all_jobs
from tests import broker
from tests.shared.store.dying import entry, fail_step, failed_job, message
from tests.shared.store.making import ORG, make, run_through, take_step

SCAN, PROCESS, REPORT, NOTIFY = StageName
DYING = Path(__file__).with_name("dying_ingester.py")
INSTANTS = ["before-commit", "after-commit", "before-deletion"]
MANY = 250


def client(server: testing.RedisServer) -> redis.Redis:
    return redis.Redis.from_url(f"{server.url}?db={settings().redis_broker_db}")


def leave(server: testing.RedisServer, made: Any, raw: bytes = b"") -> str:
    """Leave a dead letter in the stream, as a worker does."""
    with client(server) as link:
        return link.xadd(keys.DEAD_LETTERS, dlq.fields(made, raw)).decode()


def left(server: testing.RedisServer) -> int:
    with client(server) as link:
        return int(link.xlen(keys.DEAD_LETTERS))


def letters(org_id: str = ORG) -> list[DeadLetterView]:
    with reading() as connection:
        return dead_letters.page(connection, org_id, limit=1000)


def waiting(server: testing.RedisServer) -> int:
    with client(server) as link:
        return broker.waiting(link)


def dead(job_id: str, **fields: Any) -> Any:
    return entry(job_id, reason=Reason.HARD_LIMIT, failure_class=FailureClass.RESOURCE, **fields)


def test_what_workers_left_is_taken_in_and_deleted(server: testing.RedisServer) -> None:
    ids = [make()[0] for _ in range(3)]
    for job_id in ids:
        fail_step(job_id)
        leave(server, entry(job_id), message(job_id))
    assert ingester.ingest_once() == 3
    assert {each.job_id for each in letters()} == set(ids)
    assert (left(server), ingester.ingest_once()) == (0, 0)


def test_more_than_a_batch_is_taken_in_at_once(server: testing.RedisServer) -> None:
    for _ in range(MANY):
        leave(server, entry(stage=None, reason=Reason.UNREGISTERED), b"5")
    assert ingester.ingest_once() == MANY
    assert (len(letters("local")), left(server)) == (MANY, 0)


def test_the_last_stage_is_sent_where_the_worker_could_not(server: testing.RedisServer) -> None:
    [job_id] = make()
    take_step(job_id)
    leave(server, dead(job_id), message(job_id))
    ingester.ingest_once()
    assert waiting(server) == 1
    run_through(job_id, NOTIFY)
    with reading() as connection:
        assert jobs.view(connection, job_id).state is JobState.DEAD


@pytest.mark.parametrize(
    "fields",
    [
        {b"entry": b""},
        {b"entry": b"5"},
        {b"entry": b"\xff\xfe"},
        {b"entry": b'{"reason": "odd"}'},
        {b"entry": b'{"reason": "poison"}'},
        {b"raw": b"\x00\xff"},
        {b"entry": b"[" * 100_000},
        {b"entry": b'{"reason":"poison","failure_class":"resource","deliveries":99999999999999999999}'},
        {b"entry": b'{"reason":"poison","failure_class":"resource","deliveries":9999999999}'},
        {b"entry": b'{"reason":"poison","failure_class":"resource","at":"0001-01-01T00:00:00+14:00"}'},
        {b"entry": b'{"reason":"poison","failure_class":"resource","job_id":"\\u0000\\ud800","stage":"scan"}'},
        {b"\xff": b"\xfe"},
    ],
)
def test_what_cannot_be_read_becomes_a_dead_letter_and_stops_nothing(
    server: testing.RedisServer, fields: dict[Any, Any]
) -> None:
    job_id, _ = failed_job()
    with client(server) as link:
        link.xadd(keys.DEAD_LETTERS, fields)
    leave(server, entry(job_id), message(job_id))
    ingester.ingest_once()
    assert left(server) == 0
    assert [each.count for each in letters()] == [2]
    [odd] = letters("local")
    assert odd.state in {DeadLetterState.OPEN, DeadLetterState.QUARANTINED}


def test_an_unreadable_entry_is_permanent_and_shows_what_it_holds(server: testing.RedisServer) -> None:
    with client(server) as link:
        link.xadd(keys.DEAD_LETTERS, {b"entry": b"5", b"raw": b"six"})
    ingester.ingest_once()
    [odd] = letters("local")
    assert (odd.reason, odd.failure_class) == (Reason.UNDECODABLE_ENVELOPE, FailureClass.PERMANENT)
    with reading() as connection:
        assert dead_letters.payload(connection, odd.id, "local").text == "entry: 5\nraw: six"


def test_an_entry_that_says_too_much_is_cut_like_a_message(server: testing.RedisServer) -> None:
    shout = entry(stage=None, error=ErrorDetail(message="x" * 2 * MAX_RAW))
    leave(server, shout, b"six")
    ingester.ingest_once()
    [letter] = letters("local")
    assert letter.reason is Reason.UNDECODABLE_ENVELOPE
    assert len(letter.model_dump_json()) < 10_000
    with reading() as connection:
        assert dead_letters.payload(connection, letter.id, "local").is_cut


@pytest.mark.parametrize("instant", INSTANTS)
def test_an_ingester_that_is_killed_loses_nothing_and_writes_nothing_twice(
    server: testing.RedisServer, database: str, instant: str
) -> None:
    [lost] = make()
    take_step(lost)
    failed = make()[0]
    fail_step(failed)
    for made in (dead(lost), entry(failed), entry(failed), entry(stage=None, reason=Reason.NOT_A_TASK)):
        leave(server, made, message(made.job_id or ""))
    environment = {"VEDETTE_REDIS_URL": server.url, "VEDETTE_DATABASE_URL": database, "PYTHONPATH": "."}
    environment["VEDETTE_MASTER_KEY"] = testing.MASTER_KEY
    for _ in range(2):
        killed = subprocess.run([sys.executable, str(DYING), instant], env=environment, timeout=60, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert left(server) == 4
    assert ingester.ingest_once() == 4
    assert {each.job_id: each.count for each in letters()} == {lost: 1, failed: 2}
    assert (len(letters("local")), left(server)) == (1, 0)
    assert waiting(server) >= 1
    with reading() as connection:
        states = [step.state for step in jobs.view(connection, lost).steps]
    assert states == [StepState.FAILED, StepState.SKIPPED, StepState.SKIPPED, StepState.PENDING]


def test_ingesters_who_both_believe_to_lead_write_nothing_twice(server: testing.RedisServer) -> None:
    ids = [make()[0] for _ in range(20)]
    for job_id in ids * 3:
        leave(server, dead(job_id), message(job_id))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ingester.ingest_once(), range(4)))
    assert {each.job_id: each.count for each in letters()} == dict.fromkeys(ids, 3)


def test_a_broker_or_database_that_is_away_is_waited_for(server: testing.RedisServer) -> None:
    [job_id] = make()
    fail_step(job_id)
    leave(server, entry(job_id), message(job_id))
    server.stop()
    with pytest.raises(BrokerAway):
        ingester.ingest_once()
    server.start()
    stop = threading.Event()
    loop = threading.Thread(target=ingester.run, args=(stop,))
    loop.start()
    try:
        testing.wait_for(letters, "the letter is taken in")
        server.stop()
        server.start()
        leave(server, entry(job_id), message(job_id))
        testing.wait_for(lambda: letters()[0].count == 2, "the next one is, too")
    finally:
        stop.set()
        loop.join()
    engine().dispose()


def test_a_dead_letter_that_nobody_here_has_written_ends_no_step(server: testing.RedisServer, database: str) -> None:
    del database
    [job_id] = make()
    genuine = dlq.fields(dead(job_id), message(job_id))
    other = dlq.fields(dead(make()[0]), b"")
    with client(server) as link:
        for forged in (dead(job_id).fields(message(job_id)), {**genuine, "signature": other["signature"]}):
            link.xadd(keys.DEAD_LETTERS, forged)
    assert ingester.ingest_once() == 2
    assert [(each.reason, each.job_id, each.failure_class, each.count) for each in letters("local")] == [
        (Reason.UNSIGNED, None, FailureClass.SECURITY, 2)
    ]
    with reading() as connection:
        assert jobs.view(connection, job_id).steps[0].state is StepState.PENDING
    assert refusals.counts()["unsigned"] == 2


def test_a_copy_of_a_dead_letter_ends_no_step_of_a_later_run(server: testing.RedisServer, database: str) -> None:
    del database
    [job_id] = make()
    copied = dlq.fields(dead(job_id).model_copy(update={"run": 1}), b"")
    with writing() as connection:
        connection.execute(all_jobs.update().values(run=2))
    with client(server) as link:
        link.xadd(keys.DEAD_LETTERS, copied)
    ingester.ingest_once()
    with reading() as connection:
        assert jobs.view(connection, job_id).steps[0].state is StepState.PENDING
