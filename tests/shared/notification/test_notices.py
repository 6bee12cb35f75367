"""Notices of alerts go out one by one, and none of them ends that for the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from shared import keyring
from shared.alerting import Bound, Change, Reading
from shared.contracts.alert import AlertRule
from shared.notification import notices
from shared.settings import settings
from shared.store import alerts
from shared.store.engine import reading, writing
from shared.store.notices import FAILED, SENT, Telling
from shared.store.tables import alert_notices
from shared.store.tables import alerts as table
from shared.testing import MASTER_KEY, wait_for
from tests.shared.notification.conftest import Receiver

BOUNDS = {rule: Bound(10, 5, 0, 0) for rule in AlertRule}

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def allowed(fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_NOTIFY_PRIVATE_ADDRESSES", "true")
    fresh_settings.setenv("VEDETTE_WEBHOOK_SECRET", "whsec_" + "A" * 32)
    settings.cache_clear()


def opened(receiver: Receiver, *subjects: str) -> None:
    for subject in subjects:
        found = Reading(AlertRule.QUEUE_TOO_OLD, subject, 10, "It is too old.", "Add workers.")
        telling = Telling([f"http://127.0.0.1:{receiver.port}/"])
        with writing() as connection:
            alerts.apply(connection, Change(opened=[found]), BOUNDS, telling)


def with_master_key(patch: pytest.MonkeyPatch, key: str) -> None:
    patch.setenv("VEDETTE_MASTER_KEY", key)
    settings.cache_clear()
    keyring.forget()


def told(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["data"]["subject"] for request in receiver.requests]


def states() -> list[str]:
    with reading() as connection:
        return list(connection.scalars(alert_notices.select().with_only_columns(alert_notices.c.state).order_by("at")))


@contextmanager
def running() -> Iterator[threading.Thread]:
    stop = threading.Event()
    loop = threading.Thread(target=notices.run, args=(stop,))
    loop.start()
    try:
        yield loop
    finally:
        stop.set()
        loop.join()


def test_a_notice_that_cannot_be_read_holds_up_no_other(receiver: Receiver) -> None:
    opened(receiver, "scan", "report")
    with writing() as connection:
        connection.execute(update(table).where(table.c.subject == "scan").values(rule="of_the_future"))
    assert [notices.send(), notices.send(), notices.send()] == [True, True, False]
    assert (told(receiver), states()) == (["report"], [FAILED, SENT])


def test_an_error_of_one_round_does_not_end_the_sending(receiver: Receiver, fresh_settings: pytest.MonkeyPatch) -> None:
    opened(receiver, "scan")
    with_master_key(fresh_settings, "")
    with capture_logs() as said, running() as loop:
        wait_for(lambda: "alert.notices.failed" in [line["event"] for line in said], "it fails")
        with_master_key(fresh_settings, MASTER_KEY)
        wait_for(lambda: told(receiver) == ["scan"], "it is told")
        assert loop.is_alive()
