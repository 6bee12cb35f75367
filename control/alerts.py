"""Watches the installation and tells people when something is wrong, and when it is well again. ADR 0034."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import structlog

from control import readings
from shared.alerting import Change, Judge, Reading
from shared.broker.client import BrokerAway
from shared.broker.view import look
from shared.contracts.alert import AlertRule
from shared.errors import Infrastructure
from shared.ids import now
from shared.settings import settings
from shared.store import alerts
from shared.store.engine import reading, writing
from shared.store.notices import Telling

log = structlog.get_logger()

EVERY_S = 5.0
KEPT = timedelta(days=90)  # of alerts that are over


def run(stop: threading.Event) -> None:
    """Watch until `stop` is set."""
    judge, forgeries = Judge(readings.bounds(settings())), readings.Forgeries()
    while not stop.is_set():
        try:
            watch(judge, forgeries)
        except Infrastructure as exc:
            log.warning("alerts.skipped", error=exc.code, message=exc.message)
        except Exception:
            log.exception("alerts.failed")  # a loop that began anew would not know since when something has been wrong
        stop.wait(min(EVERY_S, settings().alert_hold_s or EVERY_S))


def watch(judge: Judge, forgeries: readings.Forgeries) -> Change:
    """Measure once, and write down what becomes of that. Raises Infrastructure."""
    found = list(_measured(forgeries))
    with reading() as connection:
        firing = alerts.firing(connection)
    mine = {key: one for key, one in firing.items() if key[0] is not AlertRule.SCHEDULER_STOPPED}
    change = judge.judge(found, mine, time.monotonic())
    with writing() as connection:
        alerts.apply(connection, change, judge.bounds, Telling.of(settings()))
        alerts.forget(connection, now() - KEPT)
    for each in change.opened:
        log.warning("alert.firing", rule=each.rule, subject=each.subject, value=each.value, summary=each.summary)
    for rule, subject in change.resolved:
        log.info("alert.resolved", rule=rule, subject=subject)
    return change


def _measured(forgeries: readings.Forgeries) -> list[Reading]:
    """Return all that can be measured now. A broker that is away changes nothing of what is known of it."""
    chosen = settings()
    view = look()
    with reading() as connection:
        found = [*readings.of_jobs(connection, chosen.alert_least_jobs_count), *readings.of_stages(connection)]
    if view.is_down:
        raise BrokerAway("The broker did not answer: nothing is judged without it.")
    return [*found, *readings.of_broker(view), *forgeries.readings(time.monotonic())]
