"""A flood of messages that anybody can have made is one dead letter per queue, reason and minute."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from shared.contracts.dead_letter import (
    BY_ANYBODY,
    MAX_SAMPLE,
    UNVERIFIED,
    DeadLetterEntry,
    DeadLetterState,
    DeadLetterView,
    ErrorDetail,
    Reason,
)
from shared.contracts.triage import Payload
from shared.errors import FailureClass
from shared.ids import new_id, now
from shared.store import dead_letters, triage
from shared.store.burial import NOBODY
from shared.store.engine import reading, writing
from shared.store.piles import PERIOD
from shared.store.tables import audit
from shared.store.tables import dead_letters as table
from tests.shared.store.dying import arrival, entry, take_in
from tests.shared.store.making import make

pytestmark = pytest.mark.usefixtures("database")


def forged(reason: Reason = Reason.UNSIGNED, **fields: Any) -> DeadLetterEntry:
    """What a worker tells of a message that says something else each time."""
    said = {"task": new_id(), "task_id": new_id(), "worker": new_id(), "error": ErrorDetail(message=new_id())}
    kind = FailureClass.SECURITY if reason in UNVERIFIED else FailureClass.PERMANENT
    return entry(stage=None, reason=reason, failure_class=kind, **{**said, **fields})


def letters() -> list[DeadLetterView]:
    with reading() as connection:
        return dead_letters.page(connection, NOBODY, limit=1000)


def counts() -> list[int]:
    return sorted(each.count for each in letters())


def payload() -> Payload:
    with reading() as connection:
        return dead_letters.payload(connection, letters()[0].id, NOBODY)


def pass_time() -> None:
    """Have everything that is there be of an earlier minute."""
    with writing() as connection:
        connection.execute(update(table).values(first_failed_at=now() - PERIOD))


@pytest.mark.parametrize("reason", sorted(BY_ANYBODY))
def test_a_flood_is_one_letter_that_counts_it(reason: Reason) -> None:
    for _ in range(3):
        take_in(*(arrival(forged(reason), new_id().encode()) for _ in range(100)))
    [letter] = letters()
    assert (letter.count, letter.reason, letter.state) == (300, reason, DeadLetterState.OPEN)
    assert letter.first_failed_at < letter.last_failed_at <= now()


def test_each_queue_and_each_reason_has_its_own_letter() -> None:
    kinds = [
        forged(reason, queue=queue) for reason in (Reason.UNSIGNED, Reason.STALE_KEY) for queue in ("scan", "notify")
    ]
    take_in(*map(arrival, kinds * 2))
    assert {(each.reason, each.queue): each.count for each in letters()} == {
        (each.reason, each.queue): 2 for each in kinds
    }


def test_no_queue_can_be_made_up() -> None:
    take_in(*(arrival(forged(queue=new_id())) for _ in range(3)))
    assert [(each.queue, each.count) for each in letters()] == [("", 3)]


def test_what_is_of_no_known_sender_is_of_no_job() -> None:
    [job_id] = make()
    take_in(arrival(forged(Reason.NOT_A_TASK).model_copy(update={"job_id": job_id, "org_id": "org"})))
    assert [(each.job_id, each.org_id) for each in letters()] == [(None, NOBODY)]


def test_the_next_minute_has_a_letter_of_its_own() -> None:
    take_in(arrival(forged()), arrival(forged()))
    pass_time()
    take_in(arrival(forged()), arrival(forged()), arrival(forged()))
    assert counts() == [2, 3]


@pytest.mark.parametrize("state", [DeadLetterState.DISCARDED, DeadLetterState.SNOOZED])
def test_what_somebody_put_aside_takes_nothing_in(state: DeadLetterState) -> None:
    take_in(arrival(forged()))
    with writing() as connection:
        if state is DeadLetterState.DISCARDED:
            triage.discard(connection, NOBODY, [letters()[0].id])
        else:
            triage.snooze(connection, NOBODY, letters()[0].id, now() + timedelta(hours=1))
    take_in(arrival(forged()))
    assert {each.state for each in letters()} == {state, DeadLetterState.OPEN}
    assert counts() == [1, 1]


@pytest.mark.parametrize("is_later", [False, True])
def test_an_entry_that_comes_twice_counts_once(is_later: bool) -> None:
    again = [arrival(forged()) for _ in range(100)]
    take_in(*again)
    if is_later:
        pass_time()
    assert take_in(*again).unverified == {}
    take_in(*again, arrival(forged()))
    assert sum(counts()) == 101


def test_a_letter_keeps_one_short_sample() -> None:
    take_in(arrival(forged(), b"x" * MAX_SAMPLE * 2), arrival(forged(), b"y" * MAX_SAMPLE))
    assert (payload().text, payload().is_cut) == ("x" * MAX_SAMPLE, True)


def test_a_message_that_fits_is_not_cut() -> None:
    take_in(arrival(forged(), b"x" * 100))
    assert (payload().text, payload().is_cut) == ("x" * 100, False)


def test_each_is_counted_and_the_first_is_audited() -> None:
    done = take_in(*(arrival(forged()) for _ in range(50)))
    assert (done.new, done.merged, dict(done.unverified), len(done.alarms)) == (1, 49, {"unsigned": 50}, 1)
    with reading() as connection:
        lines = connection.execute(select(audit.c.action, audit.c.subject)).all()
    assert [tuple(each) for each in lines] == [("security.refused", f"dead-letter:{letters()[0].id}")]
