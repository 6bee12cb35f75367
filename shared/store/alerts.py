"""Alerts and who is told of them. What is told is written with what changed: a crash loses neither, and tells once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import Connection, RowMapping, and_, delete, func, or_, select, update

from shared.alerting import Bound, Change, Key
from shared.contracts.alert import AlertNotice, AlertRule, AlertState, AlertView
from shared.errors import Conflict, NotFound
from shared.ids import new_id, now
from shared.settings import Settings
from shared.store.deliveries import part_of
from shared.store.engine import insert_missing
from shared.store.tables import alert_notices, alerts

FIRING, REMINDER, RESOLVED = "alert.firing", "alert.reminder", "alert.resolved"
PENDING, SENDING, SENT, FAILED, UNKNOWN, LEFT_OUT = "pending", "sending", "sent", "failed", "unknown", "left_out"
MAX_TRIES = 5
RETRY = timedelta(seconds=30)  # after the first failure; twice as long after each further one


class AlertNotFound(NotFound):
    """There is no alert with this id."""


class AlertOver(Conflict):
    """The alert is over: there is nothing to acknowledge."""


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


def firing(connection: Connection) -> dict[Key, str]:
    """Return the ids of the open alerts by rule and subject."""
    query = select(alerts.c.id, alerts.c.rule, alerts.c.subject).where(alerts.c.state == AlertState.FIRING)
    return {(AlertRule(row.rule), row.subject): row.id for row in connection.execute(query)}


def apply(connection: Connection, change: Change, bounds: Mapping[AlertRule, Bound], telling: Telling) -> None:
    """Write what changed, and what is to be told of it."""
    at, open_ids = now(), firing(connection)
    for reading in change.opened:
        if reading.key not in open_ids:
            bound = bounds[reading.rule]
            of_alert = {"id": new_id(), "rule": reading.rule, "subject": reading.subject, "severity": bound.severity}
            said = {"summary": reading.summary, "cure": reading.cure, "value": reading.value, "bound": bound.fires}
            times = {"opened_at": at, "seen_at": at, "told_at": at}
            insert_missing(connection, alerts, [{**of_alert, **said, **times, "state": AlertState.FIRING}])
            if connection.execute(select(alerts.c.id).where(alerts.c.id == of_alert["id"])).first():
                _tell(connection, str(of_alert["id"]), FIRING, telling)  # else another process was faster
    for reading in [each for each in change.standing if each.key in open_ids]:
        mine = alerts.c.id == open_ids[reading.key]
        is_well = reading.value <= bounds[reading.rule].clears  # what it said when it was not is what people look for
        fresh = {} if is_well else {"value": reading.value, "summary": reading.summary}
        connection.execute(update(alerts).where(mine).values(seen_at=at, **fresh))
        _remind(connection, open_ids[reading.key], telling)
    for alert_id in [open_ids[key] for key in change.resolved if key in open_ids]:
        over = {"state": AlertState.RESOLVED, "resolved_at": at, "seen_at": at}
        mine = and_(alerts.c.id == alert_id, alerts.c.state == AlertState.FIRING)  # else another process was faster
        if connection.execute(update(alerts).where(mine).values(**over)).rowcount:
            _tell(connection, alert_id, RESOLVED, telling)


def page(
    connection: Connection, *, state: AlertState | None = None, limit: int = 50, before: str = ""
) -> list[AlertView]:
    """Return up to `limit` alerts, newest first, older than the id `before`."""
    query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(alerts.c.state == state)
    if before:
        query = query.where(alerts.c.id < before)
    return [_view(row) for row in connection.execute(query).mappings()]


def ids_like(connection: Connection, piece: str) -> list[str]:
    """Return the ids that begin or end with `piece`, newest first."""
    has_it = or_(alerts.c.id.startswith(piece, autoescape=True), alerts.c.id.endswith(piece, autoescape=True))
    return list(connection.scalars(select(alerts.c.id).where(has_it).order_by(alerts.c.id.desc()).limit(5)))


def get(connection: Connection, alert_id: str) -> AlertView:
    """Return one alert. Raises AlertNotFound."""
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).mappings().one_or_none()
    if row is None:
        raise AlertNotFound("There is no alert with this id.", cure="List them: vedette alerts list")
    return _view(row)


def acknowledge(connection: Connection, alert_id: str, by: str) -> AlertView:
    """Note who looks after an alert: nobody is reminded of it then. Raises AlertNotFound and AlertOver."""
    found = get(connection, alert_id)
    if found.state is not AlertState.FIRING:
        raise AlertOver("The alert is over.", cure="See what is open: vedette alerts list")
    mine = update(alerts).where(alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
    connection.execute(mine.values(acknowledged_at=now(), acknowledged_by=by))
    return get(connection, alert_id)


def claim(connection: Connection) -> str | None:
    """Mark the notice that has been due longest as being sent; return its id."""
    waiting = (alert_notices.c.state == PENDING, alert_notices.c.due_at <= now())
    found = connection.scalar(select(alert_notices.c.id).where(*waiting).order_by(alert_notices.c.due_at).limit(1))
    mine = (alert_notices.c.id == found, alert_notices.c.state == PENDING)
    taken = update(alert_notices).where(*mine).values(state=SENDING, tries=alert_notices.c.tries + 1)
    return found if found and connection.execute(taken).rowcount else None


def due(connection: Connection, notice_id: str) -> Due:
    """Return a notice that was claimed. Raises pydantic.ValidationError for one of an alert that this version lacks."""
    row = connection.execute(select(alert_notices).where(alert_notices.c.id == notice_id)).mappings().one()
    return Due(notice_id, row["destination"], _notice(get(connection, row["alert_id"]), row))


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


def forget(connection: Connection, before: datetime) -> int:
    """Delete alerts that were over before this moment, with their notices; return how many."""
    old = (alerts.c.state == AlertState.RESOLVED, alerts.c.resolved_at < before)
    return connection.execute(delete(alerts).where(*old)).rowcount


def _remind(connection: Connection, alert_id: str, telling: Telling) -> None:
    at = now()
    due = (alerts.c.acknowledged_at.is_(None), alerts.c.told_at <= at - telling.again_after)
    if connection.execute(update(alerts).where(alerts.c.id == alert_id, *due).values(told_at=at)).rowcount:
        _tell(connection, alert_id, REMINDER, telling)


def _tell(connection: Connection, alert_id: str, kind: str, telling: Telling) -> None:
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


def _notice(alert: AlertView, row: RowMapping) -> AlertNotice:
    same = ("rule", "subject", "severity", "summary", "cure", "value", "bound", "opened_at")
    said = {name: getattr(alert, name) for name in same}
    return AlertNotice(type=row["type"], alert_id=alert.id, finished_at=row["at"], **said)


def _view(row: RowMapping) -> AlertView:
    return AlertView.model_validate({name: row[name] for name in AlertView.model_fields})
