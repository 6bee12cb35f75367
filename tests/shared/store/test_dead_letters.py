"""Dead letters in SQL: pages, groups, counts and payloads."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from shared.contracts.dead_letter import DeadLetterState, DeadLetterView, ErrorDetail, Reason, Selection
from shared.contracts.job import StageName
from shared.contracts.query import QueryWrong
from shared.contracts.triage import DeadLetterFilter
from shared.errors import FailureClass
from shared.ids import new_id, now
from shared.store import dead_letters, settling
from shared.store.dead_letters import DeadLetterNotFound, Place
from shared.store.engine import reading, writing
from shared.store.tables import dead_letters as table
from tests.shared.store.dying import arrival, entry, failed_job, letter_of, message, take_in
from tests.shared.store.making import ORG

OPEN, REPLAYING, REPLAYED, RESOLVED, DISCARDED, SNOOZED, QUARANTINED = DeadLetterState
SCAN, PROCESS, REPORT, NOTIFY = StageName
MANY = 10_000
GROUPS_S = 0.5

pytestmark = pytest.mark.usefixtures("database")


def get(letter_id: str) -> DeadLetterView:
    with reading() as connection:
        return dead_letters.get(connection, letter_id, ORG)


def put(letter_id: str, **values: object) -> None:
    with writing() as connection:
        connection.execute(update(table).where(table.c.id == letter_id).values(**values))


def page(
    which: DeadLetterFilter = dead_letters.ALL, limit: int = 50, before: Place | None = None
) -> list[DeadLetterView]:
    with reading() as connection:
        return dead_letters.page(connection, ORG, which, limit=limit, before=before)


def found(which: DeadLetterFilter) -> list[str]:
    return [each.id for each in page(which)]


def chosen(selection: Selection) -> set[str]:
    with reading() as connection:
        found = dead_letters.ids(connection, ORG, selection)
        assert dead_letters.count(connection, ORG, selection) == len(found)
        assert dead_letters.last_id(connection, ORG, selection) == max(found, default="")
    return set(found)


def fill(number: int) -> None:
    """Write so many letters in three groups, each with a traceback and a message."""
    _, letter_id = failed_job()
    with writing() as connection:
        row = dict(connection.execute(select(table).where(table.c.id == letter_id)).mappings().one())
        row["error"] = ErrorDetail(type="X", message="m", traceback="line\n" * 500).model_dump(mode="json")
        row["raw"] = b"x" * 2000
        rows = [{**row, "id": new_id(), "stream_id": None, "fingerprint": f"g{place % 3}"} for place in range(number)]
        connection.execute(insert(table), rows)
        connection.execute(table.delete().where(table.c.id == letter_id))


def test_pages_hold_every_letter_once_the_last_failed_first() -> None:
    ids = [failed_job()[1] for _ in range(7)]
    put(ids[2], last_failed_at=now() + timedelta(hours=1))
    put(ids[4], last_failed_at=get(ids[5]).last_failed_at)
    seen = more = page(limit=3)
    while more:
        more = page(limit=3, before=Place(seen[-1].last_failed_at, seen[-1].id))
        seen = seen + more
    assert seen[0].id == ids[2]
    assert sorted(each.id for each in seen) == sorted(ids)


def test_filters_all_hold() -> None:
    scan, report = failed_job()[1], failed_job(stage=REPORT, failure_class=FailureClass.RESOURCE)[1]
    assert found(DeadLetterFilter(stage=SCAN)) == [scan]
    assert found(DeadLetterFilter(failure_class=FailureClass.RESOURCE)) == [report]
    assert found(DeadLetterFilter(group=get(scan).fingerprint, state=OPEN)) == [scan]
    assert found(DeadLetterFilter(stage=SCAN, state=DISCARDED)) == []
    assert found(DeadLetterFilter(q="stage:report class:resource")) == [report]
    with pytest.raises(QueryWrong):
        page(DeadLetterFilter(q="colour:red"))


def test_letters_of_others_are_not_there() -> None:
    _, letter_id = failed_job()
    with reading() as connection:
        assert dead_letters.page(connection, "other") == []
        with pytest.raises(DeadLetterNotFound):
            dead_letters.get(connection, letter_id, "other")
        with pytest.raises(DeadLetterNotFound):
            dead_letters.payload(connection, letter_id, "other")


def test_equal_failures_are_a_group() -> None:
    for host in ("192.0.2.1", "192.0.2.2", "host.example"):
        failed_job(host, error=ErrorDetail(type="HostUnreachable", message=f"{host} did not answer."))
    job_id, other = failed_job(stage=REPORT)
    put(other, state=DISCARDED)
    with reading() as connection:
        first, second = dead_letters.groups(connection, ORG)
    assert (first.count, first.open, first.stage, first.error_type) == (3, 3, SCAN, "HostUnreachable")
    assert (second.count, second.open, second.sample_id) == (1, 0, letter_of(job_id))


def test_ten_thousand_letters_are_grouped_in_half_a_second() -> None:
    fill(MANY)
    started = time.perf_counter()
    with reading() as connection:
        groups = dead_letters.groups(connection, ORG)
    took_s = time.perf_counter() - started
    assert [group.count for group in groups] == [3334, 3333, 3333]
    assert took_s < GROUPS_S


def test_numbers_of_states_and_of_what_is_open() -> None:
    _, first = failed_job()
    _, poison = failed_job(stage=REPORT, reason=Reason.POISON, failure_class=FailureClass.RESOURCE)
    _, gone = failed_job()
    put(gone, state=DISCARDED)
    with reading() as connection:
        stats = dead_letters.stats(connection, ORG)
    assert (stats.open, stats.by_state) == (2, {OPEN: 1, QUARANTINED: 1, DISCARDED: 1})
    assert (stats.by_class, stats.by_stage) == ({"temporary": 1, "resource": 1}, {"scan": 1, "report": 1})
    assert stats.by_reason == {"stage-failed": 1, "poison": 1}
    assert stats.oldest_open_at == min(get(first).first_failed_at, get(poison).first_failed_at)


def test_a_payload_is_shown_as_it_was_sent_and_decoded() -> None:
    job_id, letter_id = failed_job()
    raw = message(job_id)
    put(letter_id, raw=raw)
    with reading() as connection:
        payload = dead_letters.payload(connection, letter_id, ORG)
    assert (payload.text, payload.size_bytes, payload.is_cut) == (raw.decode(), len(raw), False)
    assert payload.message is not None
    assert payload.message["body"][0][0]["job_id"] == job_id


def test_a_payload_that_is_no_message_is_shown_all_the_same() -> None:
    _, letter_id = failed_job()
    put(letter_id, raw=b"\xff5")
    with reading() as connection:
        payload = dead_letters.payload(connection, letter_id, ORG)
    assert (payload.text, payload.message) == ("\ufffd5", None)


def test_selections_leave_poison_and_what_has_ended_alone_unless_it_is_named() -> None:
    ids = {state: failed_job()[1] for state in DeadLetterState}
    for state, letter_id in ids.items():
        put(letter_id, state=state)
    group = get(ids[OPEN]).fingerprint
    assert chosen(Selection(all=True)) == {ids[OPEN]}
    assert chosen(Selection(group=group)) == {ids[OPEN], ids[SNOOZED]}
    assert chosen(Selection(q="stage:scan")) == {ids[OPEN], ids[SNOOZED]}
    assert chosen(Selection(ids=list(ids.values()))) == set(ids.values())


@pytest.mark.parametrize("state", list(DeadLetterState))
def test_what_has_ended_long_ago_is_deleted_and_what_is_open_never(state: DeadLetterState) -> None:
    _, letter_id = failed_job()
    ended = state in {REPLAYED, RESOLVED, DISCARDED}
    put(letter_id, state=state, first_failed_at=now() - timedelta(days=999))
    if ended:
        put(letter_id, ended_at=now() - timedelta(days=89))
    settling.tidy()
    assert found(dead_letters.ALL) == [letter_id]
    if ended:
        put(letter_id, ended_at=now() - timedelta(days=91))
    settling.tidy()
    assert found(dead_letters.ALL) == ([] if ended else [letter_id])


def test_a_letter_without_a_job_is_listed_and_counted() -> None:
    take_in(arrival(entry(reason=Reason.NOT_A_TASK)))
    with reading() as connection:
        assert dead_letters.stats(connection, "local").by_reason == {"not-a-task": 1}
