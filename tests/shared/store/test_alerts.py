"""Alerts: opened once, kept up to date, acknowledged, over. The same on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.alert import AlertState
from shared.ids import new_id, now
from shared.store import alerts, notices
from shared.store.alerts import AlertNotFound, AlertOver
from shared.store.engine import reading, writing
from shared.store.notices import Telling
from tests.shared.store.alarms import HOOKS, apply, due, listed, seen, states

pytestmark = pytest.mark.usefixtures("database")


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


def test_whoever_looks_after_it_ends_the_reminders() -> None:
    telling = Telling(HOOKS[:1], timedelta(0))
    apply(opened=[seen()], telling=telling)
    apply(standing=[seen()], telling=telling)
    assert [notice.notice.type for notice in due()] == [notices.FIRING, notices.REMINDER]
    [alert] = listed()
    with writing() as connection:
        assert alerts.acknowledge(connection, alert.id, "user:ann").acknowledged_by == "user:ann"
        assert alerts.acknowledge(connection, alert.id, "user:bob").acknowledged_by == "user:ann"
    apply(standing=[seen()], telling=telling)
    assert list(due()) == []


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
