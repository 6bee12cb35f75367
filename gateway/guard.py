"""Watches the one thing that control cannot watch itself: that somebody leads it. Sends the notices of that, too."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import redis
import structlog

from shared.alerting import Bound, Judge, Key, Reading
from shared.broker import keys
from shared.broker.client import answering
from shared.contracts.alert import AlertRule, AlertSeverity
from shared.errors import Infrastructure
from shared.notification import notices
from shared.settings import Settings, settings
from shared.store import alerts
from shared.store.engine import reading, writing
from shared.store.notices import Telling

log = structlog.get_logger()

EVERY_S = 5.0
RULE = AlertRule.SCHEDULER_STOPPED
SUBJECT = "control"
SAID = "No control process leads: nothing is reconciled, no dead letter is taken in, no alert is judged."
CURE = "Start one, or see its log: vedette logs control"


def begin(chosen: Settings) -> threading.Event:
    """Watch in a thread of its own until the event that is returned is set."""
    stop = threading.Event()
    threading.Thread(target=run, args=(stop, Judge(bounds(chosen))), name="guard", daemon=True).start()
    return stop


def bounds(chosen: Settings) -> Mapping[AlertRule, Bound]:
    """Return when the one rule fires here: a leader that is restarted is away for some seconds."""
    return {RULE: Bound(1, 0, max(chosen.alert_hold_s, EVERY_S), 0, AlertSeverity.CRITICAL)}


def run(stop: threading.Event, judge: Judge) -> None:
    """Look until `stop` is set."""
    while not stop.wait(EVERY_S):
        try:
            look(judge)
        except (Infrastructure, redis.RedisError) as exc:
            log.warning("guard.skipped", error=type(exc).__name__)
        except Exception:
            log.exception("guard.failed")  # the next look may fare better; a thread that ended would not


def look(judge: Judge) -> None:
    """Look once, and write down what changed. Raises Infrastructure, also where the broker is away: who knows then."""
    with answering() as client:
        leads = bool(client.exists(keys.LEADER))
    with reading() as connection:
        firing: list[Key] = [key for key in alerts.firing(connection) if key[0] is RULE]
    change = judge.judge([Reading(RULE, SUBJECT, float(not leads), SAID, CURE)], firing, time.monotonic())
    if change.opened or change.resolved:
        log.warning("guard.scheduler", leads=leads)
        with writing() as connection:
            alerts.apply(connection, change, judge.bounds, Telling.of(settings()))
    if not leads:
        while notices.send():
            pass
