"""Sends what is to be told of alerts, one notice at a time: a receiver that hangs holds up nothing but the others.

A notice says `sending` before its first byte leaves. What was being sent when this process died is never sent again:
nobody knows whether it was told, and the list says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from pydantic import ValidationError

from shared.errors import External, Infrastructure, Temporary, VedetteError
from shared.notification import channels
from shared.redaction import shown
from shared.settings import settings
from shared.store import notices
from shared.store.engine import Connection, writing
from shared.store.notices import Due

log = structlog.get_logger()

EVERY_S = 1.0


def run(stop: threading.Event) -> None:
    """Send until `stop` is set."""
    _attempt(_abandon)
    while not stop.is_set():
        if not _attempt(send):
            stop.wait(EVERY_S)


def send() -> bool:
    """Send the notice that is due, if there is one; return whether there was. Raises Infrastructure."""
    with writing() as connection:
        notice_id = notices.claim(connection)
        if notice_id is None:
            return False
        due = _read(connection, notice_id)
    if due is None:
        return True
    state, answer, is_final = _sent(due)
    log.info("alert.told", alert_id=due.notice.alert_id, to=shown(due.destination), state=state, answer=answer)
    with writing() as connection:
        notices.settle(connection, due.id, state, answer, is_final=is_final)
    return True


def _read(connection: Connection, notice_id: str) -> Due | None:
    """Return what is to be sent, None for what no version of ours wrote: it must not hold up all that come after it."""
    try:
        return notices.due(connection, notice_id)
    except ValidationError:
        log.exception("alert.notice.unreadable", notice_id=notice_id)
        notices.settle(connection, notice_id, notices.FAILED, "It cannot be read.")
        return None


def _sent(due: Due) -> tuple[str, str, bool]:
    """Return how it went, what was answered, and whether that is final."""
    try:
        channel = channels.of(due.destination)
        channel.check(due.destination, settings())
        return notices.SENT, channel.deliver(due.destination, due.notice, key=due.id, settings=settings()), True
    except (External, Temporary) as exc:
        return notices.FAILED, exc.message, False
    except VedetteError as exc:
        return notices.FAILED, exc.message, True
    except Exception as exc:
        log.exception("alert.unsent")
        return notices.UNKNOWN, type(exc).__name__, True


def _abandon() -> bool:
    with writing() as connection:
        return notices.abandon(connection) > 0


def _attempt(work: Callable[[], bool]) -> bool:
    try:
        return work()
    except Infrastructure as exc:
        log.warning("alert.notices.delayed", error=exc.code, message=exc.message)
    except Exception:
        log.exception("alert.notices.failed")  # the next round may fare better; a loop that ended would not
    return False
