"""Whatever befalls one look at the installation, the next ones know since when something has been wrong."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, insert
from structlog.testing import capture_logs

from control import alerts as watcher
from shared.alerting import Bound
from shared.broker.client import client
from shared.contracts.alert import AlertRule, AlertState
from shared.contracts.lanes import ALL_LANES
from shared.ids import new_id, now
from shared.settings import settings
from shared.store import alerts
from shared.store.engine import reading, writing
from shared.store.tables import alerts as table
from shared.testing import wait_for

pytestmark = pytest.mark.usefixtures("server")


def of_the_future() -> str:
    """Write an alert that this version cannot read, and return its id."""
    alert_id, bound = new_id(), Bound(1, 0, 0, 0)
    of_alert = {"id": alert_id, "rule": "of_the_future", "subject": "x", "severity": bound.severity}
    said = {"summary": "", "cure": "", "value": 1.0, "bound": bound.fires, "state": AlertState.FIRING}
    with writing() as connection:
        connection.execute(insert(table).values(**of_alert, **said, opened_at=now(), seen_at=now(), told_at=now()))
    return alert_id


def firing() -> set[tuple[AlertRule, str]]:
    with reading() as connection:
        return set(alerts.firing(connection))


def test_an_error_of_one_look_does_not_end_the_watch(fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_ALERT_HOLD_S", "0.2")
    settings.cache_clear()
    client().rpush(ALL_LANES[0], "{}")
    unreadable, stop = of_the_future(), threading.Event()
    watch = threading.Thread(target=watcher.run, args=(stop,))
    with capture_logs() as said:
        watch.start()
        try:
            wait_for(lambda: [line["event"] for line in said].count("alerts.failed") > 1, "it fails and goes on")
            with writing() as connection:
                connection.execute(delete(table).where(table.c.id == unreadable))
            wait_for(lambda: (AlertRule.NO_CONSUMER, ALL_LANES[0]) in firing(), "the alert")
            assert watch.is_alive()
        finally:
            stop.set()
            watch.join()
