"""Alerts. What is to be told of one is written with what changed: a crash loses neither, and tells once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, or_, select, update

from shared.alerting import Bound, Change, Key, Reading
from shared.contracts.alert import AlertRule, AlertState, AlertView
from shared.errors import Conflict, NotFound
from shared.ids import new_id, now
from shared.store import notices
from shared.store.engine import insert_missing
from shared.store.notices import Telling
from shared.store.tables import alerts


class AlertNotFound(NotFound):
    """There is no alert with this id."""


class AlertOver(Conflict):
    """The alert is over: there is nothing to acknowledge."""


def firing(connection: Connection) -> dict[Key, str]:
    """Return the ids of the open alerts by rule and subject."""
    query = select(alerts.c.id, alerts.c.rule, alerts.c.subject).where(alerts.c.state == AlertState.FIRING)
    return {(AlertRule(row.rule), row.subject): row.id for row in connection.execute(query)}


def apply(connection: Connection, change: Change, bounds: Mapping[AlertRule, Bound], telling: Telling) -> None:
    """Write what changed, and what is to be told of it."""
    open_ids = firing(connection)
    for reading in change.opened:
        if reading.key not in open_ids:
            _open(connection, reading, bounds[reading.rule], telling)
    for reading in change.standing:
        if reading.key in open_ids:
            _refresh(connection, open_ids[reading.key], reading, bounds[reading.rule])
            _remind(connection, open_ids[reading.key], telling)
    for key in change.resolved:
        if key in open_ids:
            _resolve(connection, open_ids[key], telling)


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


def forget(connection: Connection, before: datetime) -> int:
    """Delete alerts that were over before this moment, with their notices; return how many."""
    old = (alerts.c.state == AlertState.RESOLVED, alerts.c.resolved_at < before)
    return connection.execute(delete(alerts).where(*old)).rowcount


def _open(connection: Connection, reading: Reading, bound: Bound, telling: Telling) -> None:
    at, alert_id = now(), new_id()
    of_alert = {"id": alert_id, "rule": reading.rule, "subject": reading.subject, "severity": bound.severity}
    said = {"summary": reading.summary, "cure": reading.cure, "value": reading.value, "bound": bound.fires}
    times = {"opened_at": at, "seen_at": at, "told_at": at}
    insert_missing(connection, alerts, [{**of_alert, **said, **times, "state": AlertState.FIRING}])
    if connection.execute(select(alerts.c.id).where(alerts.c.id == alert_id)).first():  # else another was faster
        notices.tell(connection, alert_id, notices.FIRING, telling)


def _refresh(connection: Connection, alert_id: str, reading: Reading, bound: Bound) -> None:
    is_well = reading.value <= bound.clears  # what it said when it was not is what people look for
    fresh = {} if is_well else {"value": reading.value, "summary": reading.summary}
    connection.execute(update(alerts).where(alerts.c.id == alert_id).values(seen_at=now(), **fresh))


def _remind(connection: Connection, alert_id: str, telling: Telling) -> None:
    at = now()
    due = (alerts.c.acknowledged_at.is_(None), alerts.c.told_at <= at - telling.again_after)
    if connection.execute(update(alerts).where(alerts.c.id == alert_id, *due).values(told_at=at)).rowcount:
        notices.tell(connection, alert_id, notices.REMINDER, telling)


def _resolve(connection: Connection, alert_id: str, telling: Telling) -> None:
    at = now()
    over = {"state": AlertState.RESOLVED, "resolved_at": at, "seen_at": at}
    mine = (alerts.c.id == alert_id, alerts.c.state == AlertState.FIRING)
    if connection.execute(update(alerts).where(*mine).values(**over)).rowcount:  # else another was faster
        notices.tell(connection, alert_id, notices.RESOLVED, telling)


def _view(row: RowMapping) -> AlertView:
    return AlertView.model_validate({name: row[name] for name in AlertView.model_fields})
