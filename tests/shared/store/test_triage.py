"""Dead letters moved: of many who try the same at once, one succeeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from shared.contracts.dead_letter import DeadLetterState, DeadLetterView, Reason
from shared.errors import FailureClass
from shared.ids import new_id, now
from shared.store import dead_letters, dlq_rules, settling, triage
from shared.store.dead_letters import DeadLetterNotFound
from shared.store.engine import reading, writing
from shared.store.tables import dead_letters as table
from shared.store.triage import WrongState
from tests.shared.store.dying import failed_job, letter_of
from tests.shared.store.making import ORG

OPEN, REPLAYING, REPLAYED, RESOLVED, DISCARDED, SNOOZED, QUARANTINED = DeadLetterState

pytestmark = pytest.mark.usefixtures("database")


def get(letter_id: str) -> DeadLetterView:
    with reading() as connection:
        return dead_letters.get(connection, letter_id, ORG)


def put(letter_id: str, **values: object) -> None:
    with writing() as connection:
        connection.execute(update(table).where(table.c.id == letter_id).values(**values))


def test_of_twenty_who_move_the_same_letters_each_letter_obeys_one() -> None:
    ids = [failed_job()[1] for _ in range(5)]

    def move(_: int) -> list[str]:
        with writing() as connection:
            return triage.move(connection, ORG, ids, REPLAYING, of=(OPEN,))

    with ThreadPoolExecutor(20) as pool:
        moved = [letter_id for mine in pool.map(move, range(20)) for letter_id in mine]
    assert sorted(moved) == sorted(ids)


def test_only_what_nobody_works_on_is_discarded() -> None:
    ids = {state: failed_job()[1] for state in DeadLetterState}
    for state, letter_id in ids.items():
        put(letter_id, state=state)
    with writing() as connection:
        gone = triage.discard(connection, ORG, list(ids.values()), reason="old", operation_id=new_id())
    assert set(gone) == {ids[OPEN], ids[SNOOZED], ids[QUARANTINED]}
    assert get(ids[OPEN]).note == "old"


def test_a_snooze_ends_by_itself() -> None:
    _, letter_id = failed_job()
    _, poison = failed_job(reason=Reason.POISON)
    _, later = failed_job()
    with writing() as connection:
        for each, hours in ((letter_id, -1), (poison, -1), (later, 1)):
            assert triage.snooze(connection, ORG, each, now() + timedelta(hours=hours)).state is SNOOZED
    settling.tidy()
    assert [get(each).state for each in (letter_id, poison, later)] == [OPEN, QUARANTINED, SNOOZED]
    with writing() as connection, pytest.raises(DeadLetterNotFound):
        triage.snooze(connection, ORG, new_id(), now())


def test_what_is_resolved_cannot_be_snoozed() -> None:
    _, letter_id = failed_job()
    put(letter_id, state=RESOLVED)
    with pytest.raises(WrongState), writing() as connection:
        triage.snooze(connection, ORG, letter_id, now())


def test_a_reclassification_teaches_a_rule_for_what_comes() -> None:
    job_id, letter_id = failed_job()
    for failure_class in (FailureClass.EXTERNAL, FailureClass.PERMANENT):
        with writing() as connection:
            changed = triage.reclassify(connection, ORG, letter_id, failure_class, "ann", learn=True)
        assert (changed.failure_class, changed.rule) == (failure_class, "reclassified by ann")
    with reading() as connection:
        [rule] = dlq_rules.all_of(connection, ORG)
    assert (rule.learned_from, rule.fingerprint) == (letter_id, changed.fingerprint)
    later, _ = failed_job()
    assert get(letter_of(later)).failure_class is FailureClass.PERMANENT
    assert get(letter_of(later)).fingerprint == get(letter_of(job_id)).fingerprint
