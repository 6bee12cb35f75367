"""Alerts as the judge finds them, and their notices as whoever sends them does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from shared.alerting import Bound, Change, Reading
from shared.contracts.alert import AlertRule, AlertState, AlertView
from shared.store import alerts, notices
from shared.store.engine import reading, writing
from shared.store.notices import Due, Telling
from shared.store.tables import alert_notices

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
            claimed = notices.claim(connection)
            found = notices.due(connection, claimed) if claimed else None
        if found is None:
            return
        yield found


def settle(notice: Due, state: str = notices.SENT, *, is_final: bool = True) -> None:
    with writing() as connection:
        notices.settle(connection, notice.id, state, "answer", is_final=is_final)


def states() -> list[str]:
    with reading() as connection:
        return sorted(connection.scalars(alert_notices.select().with_only_columns(alert_notices.c.state)))
