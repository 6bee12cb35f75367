"""Alerts: what is wrong with the installation, since when, and what to do about it."""

from __future__ import annotations

from fastapi import APIRouter

from gateway import actors, idempotency, lookup
from gateway.auth import Asking, Caller, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page, Paged
from shared.contracts.alert import Acknowledgement, AlertState, AlertView
from shared.contracts.identity import Permission
from shared.store import alerts, audit
from shared.store.engine import Connection, reading, writing

router = APIRouter(
    prefix="/api/v1/alerts",
    tags=["alerts"],
    dependencies=[described],
    responses=problems(401, 403, 422, 500, 503),
)


@router.get("", dependencies=[needs(Permission.READ)])
def list_alerts(caller: Asking, paging: Paged, state: AlertState | None = None) -> Page[AlertView]:
    """Alerts, newest first: those that fire, those that are over, or both. They are of the whole installation."""
    with reading(caller.org_id) as connection:
        found = alerts.page(connection, state=state, limit=paging.more, before=paging.after)
        return paging.cut([_shown(connection, caller, each) for each in found])


@router.get("/{id}", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def get_alert(caller: Asking, piece: Piece) -> AlertView:
    """One alert."""
    with reading(caller.org_id) as connection:
        return _shown(connection, caller, alerts.get(connection, lookup.alert_id(connection, caller, piece)))


@router.post("/{id}:acknowledge", responses=problems(404, 409), dependencies=[needs(Permission.QUEUES)])
def acknowledge_alert(caller: Asking, piece: Piece, asked: Acknowledgement) -> AlertView:
    """Say that somebody looks after it: nobody is reminded of it any more."""
    with writing(caller.org_id) as connection:
        found = alerts.acknowledge(connection, lookup.alert_id(connection, caller, piece), caller.actor)
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            "alert.acknowledged",
            f"alert:{found.id}",
            reason=asked.reason,
            address=caller.address,
        )
        return idempotency.answered(connection, found)


def _shown(connection: Connection, caller: Caller, alert: AlertView) -> AlertView:
    by = actors.shown(connection, caller, alert.acknowledged_by)
    return alert.model_copy(update={"acknowledged_by": by})
