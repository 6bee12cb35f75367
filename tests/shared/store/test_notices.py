"""Notices of alerts: who is told of them, once. The same on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from shared.ids import now
from shared.store import notices
from shared.store.engine import reading, writing
from shared.store.notices import Telling
from shared.store.tables import alert_notices
from tests.shared.store.alarms import HOOKS, TELLING, apply, due, listed, seen, settle, states

pytestmark = pytest.mark.usefixtures("database")


def test_each_destination_is_told_once_of_each_change() -> None:
    apply(opened=[seen()])
    apply(standing=[seen(12)])
    apply(resolved=[seen().key])
    told = list(due())
    assert sorted((each.notice.type, each.destination) for each in told) == sorted(
        (kind, hook) for kind in (notices.FIRING, notices.RESOLVED) for hook in HOOKS
    )
    for each in told:
        settle(each)
    assert list(due()) == []


def test_of_two_who_see_its_end_one_tells_of_it() -> None:
    apply(opened=[seen()])
    apply(resolved=[seen().key])
    apply(resolved=[seen().key], standing=[seen(12)])
    assert [each.notice.type for each in due()] == [notices.FIRING] * len(HOOKS) + [notices.RESOLVED] * len(HOOKS)


def test_of_two_at_the_same_moment_one_tells_of_its_end() -> None:
    apply(opened=[seen()])
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda _: apply(resolved=[seen().key]), range(8)))
    assert [each.notice.type for each in due()].count(notices.RESOLVED) == len(HOOKS)


def test_a_failure_is_tried_again_later_and_not_for_ever() -> None:
    apply(opened=[seen()], telling=Telling(HOOKS[:1]))
    for _ in range(notices.MAX_TRIES):
        [notice] = due()
        settle(notice, notices.FAILED, is_final=False)
        assert list(due()) == []
        with writing() as connection:
            connection.execute(update(alert_notices).values(due_at=now()))
    assert states() == [notices.FAILED]


def test_what_a_dead_process_was_sending_is_not_sent_again() -> None:
    apply(opened=[seen()], telling=Telling(HOOKS[:1]))
    assert len(list(due())) == 1
    with writing() as connection:
        assert notices.abandon(connection) == 1
    assert (list(due()), states()) == ([], [notices.UNKNOWN])


def test_in_a_storm_the_first_are_told_and_the_rest_is_written_down() -> None:
    apply(opened=[seen(subject=str(number)) for number in range(20)])
    assert len(list(due())) == TELLING.per_hour * len(HOOKS)
    assert states().count(notices.LEFT_OUT) == 30
    assert len(listed()) == 20


def test_destinations_are_sealed() -> None:
    apply(opened=[seen()])
    with reading() as connection:
        kept = connection.exec_driver_sql("SELECT destination FROM alert_notices").scalars().all()
    assert len(kept) == len(HOOKS)
    assert not [text for text in kept if "hunter2" in text or "example" in text]
