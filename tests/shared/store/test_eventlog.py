from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import delete, text

from shared import registry
from shared.contracts.events import EventType
from shared.contracts.submission import Options
from shared.ids import now
from shared.store import eventlog, jobs, timeline
from shared.store.engine import Connection, engine, reading, writing
from shared.store.eventlog import Place, Stretch
from shared.store.tables import events
from shared.store.timeline import Fact

only_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True)


@pytest.fixture
def job_id(database: str) -> str:
    new = jobs.NewJob(
        org_id="local",
        target=registry.target({"kind": "host", "host": "127.0.0.1"}),
        options=Options(),
        lane="scan",
        deadline_at=now() + timedelta(hours=1),
    )
    with writing() as connection:
        return jobs.create(connection, [new])[0]


def write(connection: Connection, job_id: str, count: int = 1) -> list[int]:
    facts = [Fact("local", job_id, EventType.JOB_REPAIRED)] * count
    return [event.id for event in timeline.add(connection, facts)]


def written(job_id: str, count: int = 1) -> list[int]:
    with writing() as connection:
        return write(connection, job_id, count)


def place_of(since: int) -> Place | None:
    with reading() as connection:
        return eventlog.place_of(connection, since, eventlog.here(connection))


def read(start: Place | None, limit: int = 1000) -> tuple[list[int], Place]:
    """Return the ids of one pass from a place, and the place after it."""
    assert start is not None
    with reading() as connection:
        end = eventlog.here(connection)
    ids: list[int] = []
    while True:
        with reading() as connection:
            page = eventlog.between(connection, Stretch(start, end), max(ids, default=0), limit)
        ids += [entry.event.id for entry in page]
        assert all(end.has(entry) for entry in page)
        if len(page) < limit:
            return ids, end


@contextmanager
def transaction() -> Iterator[Connection]:
    """A transaction that is open for the block, and committed at its end."""
    with engine().begin() as connection:
        yield connection


def test_a_reader_gets_what_came_after_its_place_and_nothing_twice(job_id: str) -> None:
    first, place = read(Place())
    assert len(first) == 1
    assert read(place)[0] == []
    came = written(job_id, 3)
    again, place = read(place)
    assert again == came
    assert read(place)[0] == []


def test_the_last_event_that_came_is_a_place_to_go_on_from(job_id: str) -> None:
    came = written(job_id, 5) + written(job_id, 2)
    for index, event_id in enumerate(came):
        assert read(place_of(event_id))[0] == came[index + 1 :]


def test_a_pass_in_pages_is_the_same_pass(job_id: str) -> None:
    came = written(job_id, 25)
    assert read(place_of(came[0]), limit=4)[0] == came[1:]


def test_an_event_that_was_deleted_is_still_a_place(job_id: str) -> None:
    came = written(job_id, 1) + written(job_id, 1) + written(job_id, 1)
    with writing() as connection:
        connection.execute(delete(events).where(events.c.id == came[1]))
    assert came[2] in read(place_of(came[1]))[0]


def test_the_number_of_a_deleted_event_is_never_given_again(job_id: str) -> None:
    came = written(job_id, 3)
    with writing() as connection:
        connection.execute(delete(events).where(events.c.id >= came[1]))
    assert written(job_id)[0] > came[2]


def test_what_the_log_has_forgotten_is_no_place(job_id: str) -> None:
    came = written(job_id, 3)
    with writing() as connection:
        connection.execute(delete(events).where(events.c.id < came[2]))
    assert place_of(came[0]) is None
    assert place_of(came[2] + 1) is None, "an event that never was"
    assert place_of(0) == Place()


def test_whoever_is_too_far_behind_begins_anew(job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    came = written(job_id, 9)
    monkeypatch.setattr(eventlog, "FAR", 5)
    assert place_of(came[0]) is None
    assert place_of(came[5]) is not None


@only_postgres
def test_an_id_that_is_committed_after_a_greater_one_was_read_is_read_all_the_same(job_id: str) -> None:
    place = read(Place())[1]
    with transaction() as slow:
        late = write(slow, job_id, 2)
        early = written(job_id)
        assert late[0] < early[0]
        ids, place = read(place)
        assert ids == early, "a transaction that is open holds nobody up"
        more = written(job_id)
        ids, place = read(place)
        assert ids == more
    assert read(place)[0] == late


@only_postgres
def test_whoever_comes_back_gets_what_was_committed_late(job_id: str) -> None:
    with transaction() as slow:
        late = write(slow, job_id, 2)
        (early,) = written(job_id)
    assert read(place_of(early))[0] == late
    assert set(read(place_of(late[0]))[0]) >= {late[1]}


@only_postgres
def test_a_transaction_that_has_no_number_yet_when_its_id_is_taken_loses_nothing(job_id: str) -> None:
    with transaction() as slow:
        taken = slow.execute(text("SELECT nextval('events_id_seq')")).scalar_one()
        (early,) = written(job_id)
        ids, place = read(Place())
        assert early in ids
        values = {"id": taken, "org_id": "local", "job_id": job_id, "type": "job.repaired", "data": {}, "at": now()}
        slow.execute(events.insert(), values)
    assert read(place)[0] == [taken]
    assert taken in read(place_of(early))[0]


@only_postgres
def test_a_place_of_another_cluster_is_none(job_id: str) -> None:
    (event_id,) = written(job_id)
    with writing() as connection:
        connection.execute(text("UPDATE events SET snapshot = '99999999999:99999999999:'"))
    assert place_of(event_id) is None


@only_postgres
@pytest.mark.parametrize("seed", range(5))
def test_whatever_commits_when_and_whoever_stops_where_gets_everything(job_id: str, seed: int) -> None:
    """Writers with transactions of random length; a reader that goes on, and at each event one that came back there."""
    chance = random.Random(seed)
    kept: list[int] = []
    delivered: list[int] = []
    writers = [threading.Thread(target=write_at_random, args=(job_id, kept, seed * 10 + n)) for n in range(4)]
    for writer in writers:
        writer.start()
    place = Place()
    while any(writer.is_alive() for writer in writers):
        ids, place = read(place, limit=chance.randint(1, 7))
        delivered += ids
    delivered += read(place)[0]
    assert len(delivered) == len(set(delivered)), "each once to a reader that stays"
    assert set(kept) <= set(delivered)
    for index in chance.sample(range(len(delivered)), 40):
        had = set(delivered[: index + 1])
        assert set(delivered) <= had | set(read(place_of(delivered[index]))[0]), delivered[index]


def write_at_random(job_id: str, kept: list[int], seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        with transaction() as connection:
            for _ in range(chance.randint(1, 3)):
                ids = write(connection, job_id, chance.randint(1, 2))
                connection.execute(text("SELECT pg_sleep(:s)"), {"s": chance.random() * 0.01})
                kept += ids
