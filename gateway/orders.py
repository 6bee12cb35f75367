"""Takes orders of reports in: written in one transaction, published after it. An absent broker only delays them."""

from __future__ import annotations

from typing import Any

import structlog

from gateway import broker, idempotency, pressure
from gateway.auth import Caller
from gateway.submission import check_format
from shared import bus
from shared.contracts.job import StageName
from shared.contracts.report import ReportOrder
from shared.errors import Infrastructure
from shared.store import audit, orders
from shared.store.engine import reading, writing
from shared.store.orders import Ordered

log = structlog.get_logger()


def accept(caller: Caller, job_id: str, form: str) -> ReportOrder:
    """Order a report of a job, and return how far it is; one that is there or on its way is not ordered again.

    Raises what `submission.check_format` and `store.orders.place` do, BrokerFull and DatabaseAway.
    """
    if not idempotency.made():
        _send(_placed(caller, job_id, form))
    return look(caller, job_id, form)


def look(caller: Caller, job_id: str, form: str) -> ReportOrder:
    """Return how far a report is. Raises OrderNotFound."""
    with reading(caller.org_id) as connection:
        return orders.view(connection, job_id, form)


def _placed(caller: Caller, job_id: str, form: str) -> Ordered:
    pressure.admit()
    with reading(caller.org_id) as connection:
        check_format(connection, form)
    with writing(caller.org_id) as connection:
        placed = orders.place(connection, job_id, form, caller.actor)
        idempotency.note(connection, [job_id])
        if placed.is_new:
            said: dict[str, Any] = {"format": form, "address": caller.address}
            audit.add(connection, caller.org_id, caller.actor, "report.ordered", f"job:{job_id}", **said)
    return placed


def _send(placed: Ordered) -> None:
    bus.publish(placed.events)
    if placed.is_new:
        key = placed.key
        try:
            broker.pipeline().resend([(key.job_id, StageName.REPORT, key.part)])
        except Infrastructure as exc:  # the reconciler sends it
            log.warning("gateway.report.unsent", job_id=key.job_id, format=key.part, error=exc.code)
