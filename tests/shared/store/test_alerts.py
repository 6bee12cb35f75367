"""Alerts, and who is told of them once. The same on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from shared.alerting import Bound, Change, Reading
from shared.contracts.alert import AlertRule, AlertState, AlertView
from shared.ids import new_id, now
from shared.store import alerts
from shared.store.alerts import AlertNotFound, AlertOver, Due, Telling
from shared.store.engine import reading, writing
from shared.store.tables import alert_notices
from shared.store.tables import alerts as table

pytestmark = pytest.mark.usefixtures("database")
BOUNDS = {rule: Bound(10, 5, 0, 0) for rule in AlertRule}
HOOKS = ("https://one.example/T0/hunter2", "https://two.example/")
TELLING = Telling(HOOKS, timedelta(hours=4), 5)


def seen(value: float = 10, subject: str = "scan", rule: AlertRule = AlertRule.QUEUE_TOO_OLD) -> Reading:
    return Reading(rule, subject, value, f"{value:g} is too old", "add workers")


def apply(*, telling: Telling = TELLING, **change: object) -> None:
    with writing() as connection:
        alerts.apply(connection, Change(**change), BOUNDS, telling)  # type: ignore[arg-type]


def listed(state: AlertState | None = None) -> list[AlertView]:
    with reading() as connection:
        return alerts.page(connection, state=state)


def due() -> Iterator[Due]:
    while True:
        with writing() as connection:
            claimed = alerts.claim(connection)
            found = alerts.due(connection, claimed) if claimed else None
        if found is None:
            return
        yield found


def settle(notice: Due, state: str = alerts.SENT, *, is_final: bool = True) -> None:
    with writing() as connection:
        alerts.settle(connection, notice.id, state, "answer", is_final=is_final)


def states() -> list[str]:
    with reading() as connection:
        return sorted(connection.scalars(alert_notices.select().with_only_columns(alert_notices.c.state)))


def test_an_alert_is_opened_once_whoever_sees_it() -> None:
    apply(opened=[seen()])
    apply(opened=[seen(11)])
    [alert] = listed()
    assert (alert.state, alert.subject, alert.value, alert.bound) == (AlertState.FIRING, "scan", 10, 10)
    assert len(list(due())) == len(HOOKS)


def test_it_ends_and_may_come_again() -> None:
    apply(opened=[seen()])
    apply(resolved=[seen().key])
    assert [alert.state for alert in listed()] == [AlertState.RESOLVED]
    apply(opened=[seen()])
    assert [alert.state for alert in listed()] == [AlertState.FIRING, AlertState.RESOLVED]
    assert [alert.state for alert in listed(AlertState.FIRING)] == [AlertState.FIRING]


def test_while_it_stands_it_says_the_newest_and_keeps_what_was_wrong_when_it_is_better() -> None:
    apply(opened=[seen()])
    apply(standing=[seen(12)])
    apply(standing=[seen(1)])
    assert [(alert.value, alert.summary) for alert in listed()] == [(12, "12 is too old")]


def test_each_destination_is_told_once_of_each_change() -> None:
    apply(opened=[seen()])
    apply(standing=[seen(12)])
    apply(resolved=[seen().key])
    told = list(due())
    assert sorted((each.notice.type, each.destination) for each in told) == sorted(
        (kind, hook) for kind in (alerts.FIRING, alerts.RESOLVED) for hook in HOOKS
    )
    for each in told:
        settle(each)
    assert list(due()) == []


def test_of_two_who_see_its_end_one_tells_of_it() -> None:
    apply(opened=[seen()])
    apply(resolved=[seen().key])
    apply(resolved=[seen().key], standing=[seen(12)])
    assert [each.notice.type for each in due()] == [alerts.FIRING] * len(HOOKS) + [alerts.RESOLVED] * len(HOOKS)


def test_of_two_at_the_same_moment_one_tells_of_its_end() -> None:
    apply(opened=[seen()])
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda _: apply(resolved=[seen().key]), range(8)))
    assert [each.notice.type for each in due()].count(alerts.RESOLVED) == len(HOOKS)


def test_a_failure_is_tried_again_later_and_not_for_ever() -> None:
    apply(opened=[seen()], telling=Telling(HOOKS[:1]))
    for _ in range(alerts.MAX_TRIES):
        [notice] = due()
        settle(notice, alerts.FAILED, is_final=False)
        assert list(due()) == []
        with writing() as connection:
            connection.execute(update(alert_notices).values(due_at=now()))
    assert states() == [alerts.FAILED]


def test_what_a_dead_process_was_sending_is_not_sent_again() -> None:
    apply(opened=[seen()], telling=Telling(HOOKS[:1]))
    assert len(list(due())) == 1
    with writing() as connection:
        assert alerts.abandon(connection) == 1
    assert (list(due()), states()) == ([], [alerts.UNKNOWN])


def test_whoever_looks_after_it_ends_the_reminders() -> None:
    telling = Telling(HOOKS[:1], timedelta(0))
    apply(opened=[seen()], telling=telling)
    apply(standing=[seen()], telling=telling)
    assert [notice.notice.type for notice in due()] == [alerts.FIRING, alerts.REMINDER]
    [alert] = listed()
    with writing() as connection:
        assert alerts.acknowledge(connection, alert.id, "user:ann").acknowledged_by == "user:ann"
        assert alerts.acknowledge(connection, alert.id, "user:bob").acknowledged_by == "user:ann"
    apply(standing=[seen()], telling=telling)
    assert list(due()) == []


def test_in_a_storm_the_first_are_told_and_the_rest_is_written_down() -> None:
    apply(opened=[seen(subject=str(number)) for number in range(20)])
    assert len(list(due())) == TELLING.per_hour * len(HOOKS)
    assert states().count(alerts.LEFT_OUT) == 30
    assert len(listed()) == 20


def test_what_is_over_cannot_be_acknowledged_and_what_is_not_there_not_be_found() -> None:
    apply(opened=[seen()])
    apply(resolved=[seen().key])
    with writing() as connection, pytest.raises(AlertOver):
        alerts.acknowledge(connection, listed()[0].id, "x")
    with reading() as connection, pytest.raises(AlertNotFound):
        alerts.get(connection, new_id())


def test_old_ones_go_with_their_notices_and_open_ones_stay() -> None:
    apply(opened=[seen(), seen(subject="open")])
    apply(resolved=[seen().key])
    with writing() as connection:
        assert alerts.forget(connection, now() + timedelta(seconds=1)) == 1
        assert alerts.ids_like(connection, listed()[0].id[-8:]) == [listed()[0].id]
    assert [alert.subject for alert in listed()] == ["open"]
    assert len(states()) == len(HOOKS)


def test_destinations_are_sealed() -> None:
    apply(opened=[seen()])
    with reading() as connection:
        kept = connection.exec_driver_sql("SELECT destination FROM alert_notices").scalars().all()
    assert len(kept) == len(HOOKS)
    assert not [text for text in kept if "hunter2" in text or "example" in text]
    assert table.c.summary is not None
