"""Notices of alerts: who is to be told of what, and how that went. One is sent once, or nobody knows whether it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from sqlalchemy import Connection, func, select, update

from shared.contracts.alert import AlertNotice
from shared.ids import new_id, now
from shared.settings import Settings
from shared.store.deliveries import part_of
from shared.store.engine import insert_missing
from shared.store.tables import alert_notices, alerts

FIRING, REMINDER, RESOLVED = "alert.firing", "alert.reminder", "alert.resolved"
PENDING, SENDING, SENT, FAILED, UNKNOWN, LEFT_OUT = "pending", "sending", "sent", "failed", "unknown", "left_out"
MAX_TRIES = 5
RETRY = timedelta(seconds=30)  # after the first failure; twice as long after each further one
_SAME = ("rule", "subject", "severity", "summary", "cure", "value", "bound", "opened_at")  # of the alert, as it is now


@dataclass(frozen=True)
class Telling:
    """Whom to tell, how often again, and how much in an hour at most."""

    destinations: Sequence[str] = ()
    again_after: timedelta = timedelta(hours=4)
    per_hour: int = 30

    @classmethod
    def of(cls, chosen: Settings) -> Self:
        """Return what the settings want."""
        again = timedelta(seconds=chosen.alert_remind_s)
        return cls(tuple(chosen.alert_notify), again, chosen.alert_notices_per_hour)


@dataclass(frozen=True)
class Due:
    """A notice to be sent now, to one destination. id: its idempotency key."""

    id: str
    destination: str
    notice: AlertNotice


def tell(connection: Connection, alert_id: str, kind: str, telling: Telling) -> None:
    """Write down that each destination is to be told; in an hour in which too much was, that it is not."""
    at = now()
    lately = select(func.count()).where(alert_notices.c.at > at - timedelta(hours=1), alert_notices.c.state != LEFT_OUT)
    told: int = connection.execute(lately).scalar_one()
    same = (alert_notices.c.alert_id == alert_id, alert_notices.c.type == kind)
    number: int = connection.execute(select(func.count(alert_notices.c.number.distinct())).where(*same)).scalar_one()
    rows = []
    for place, destination in enumerate(telling.destinations):
        state = PENDING if told + place < telling.per_hour * len(telling.destinations) else LEFT_OUT
        row = {"id": new_id(), "alert_id": alert_id, "type": kind, "number": number, "state": state}
        rows.append({**row, "destination": destination, "part": part_of(destination), "due_at": at, "at": at})
    insert_missing(connection, alert_notices, rows)


def claim(connection: Connection) -> str | None:
    """Mark the notice that has been due longest as being sent; return its id."""
    waiting = (alert_notices.c.state == PENDING, alert_notices.c.due_at <= now())
    found = connection.scalar(select(alert_notices.c.id).where(*waiting).order_by(alert_notices.c.due_at).limit(1))
    mine = (alert_notices.c.id == found, alert_notices.c.state == PENDING)
    taken = update(alert_notices).where(*mine).values(state=SENDING, tries=alert_notices.c.tries + 1)
    return found if found and connection.execute(taken).rowcount else None


def due(connection: Connection, notice_id: str) -> Due:
    """Return a notice that was claimed. Raises pydantic.ValidationError for one of an alert that this version lacks."""
    told = (alert_notices.c.destination, alert_notices.c.type, alert_notices.c.at.label("finished_at"))
    query = select(*told, alerts.c.id.label("alert_id"), *(alerts.c[name] for name in _SAME))
    mine = query.join_from(alert_notices, alerts).where(alert_notices.c.id == notice_id)
    row = dict(connection.execute(mine).mappings().one())
    return Due(notice_id, row.pop("destination"), AlertNotice.model_validate(row))


def settle(connection: Connection, notice_id: str, state: str, answer: str, *, is_final: bool = True) -> None:
    """Note how a notice went. Where that is not final, it is tried again later, `MAX_TRIES` times in all."""
    tries: int = connection.execute(select(alert_notices.c.tries).where(alert_notices.c.id == notice_id)).scalar_one()
    values: dict[str, Any] = {"state": state, "answer": answer[:500]}
    if not is_final and tries < MAX_TRIES:
        values |= {"state": PENDING, "due_at": now() + RETRY * 2 ** (tries - 1)}
    connection.execute(update(alert_notices).where(alert_notices.c.id == notice_id).values(**values))


def abandon(connection: Connection) -> int:
    """Mark what was being sent when its sender died: nobody knows whether it was told. Return how many."""
    lost = update(alert_notices).where(alert_notices.c.state == SENDING)
    return connection.execute(lost.values(state=UNKNOWN, answer="The process died while sending.")).rowcount
