"""Dead letters moved from state to state, and given another class.

Every move is a compare-and-set: of many who try the same at once, one succeeds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from shared.contracts.dead_letter import DeadLetterState, DeadLetterView
from shared.contracts.triage import NewRule
from shared.errors import Conflict, FailureClass
from shared.ids import now
from shared.store import dead_letters, dlq_rules
from shared.store.dead_letters import ASIDE, DISCARDED, OPEN, QUARANTINED, RESOLVED, SNOOZED
from shared.store.tables import dead_letters as letters

ENDED = (RESOLVED, DISCARDED)
MAX_NOTE = 2000


class WrongState(Conflict):
    """The dead letter is in a state in which this cannot be done, or somebody else was faster."""


def move(
    connection: Connection,
    org_id: str,
    chosen: Collection[str],
    to: DeadLetterState,
    *,
    of: Iterable[DeadLetterState],
    **values: Any,  # noqa: ANN401  of columns
) -> list[str]:
    """Give those of `chosen` that are in one of the states `of` the state `to`; return them, in no order.

    Rows that somebody else is moving at this moment are passed over: two who act on many never wait for each other.
    """
    free = select(letters.c.id).where(
        letters.c.org_id == org_id, letters.c.id.in_(chosen), letters.c.state.in_(list(of))
    )
    if connection.dialect.name == "postgresql":
        free = free.with_for_update(skip_locked=True)
    found = list(connection.execute(free).scalars())
    if found:
        ended = now() if to in ENDED else None
        moved = {"state": to, "ended_at": ended, "snoozed_until": None, **values}
        connection.execute(update(letters).where(letters.c.id.in_(found)).values(**moved))
    return found


def discard(
    connection: Connection, org_id: str, chosen: Collection[str], *, reason: str = "", operation_id: str | None = None
) -> list[str]:
    """Discard those of `chosen` about which nothing is being done; return them."""
    values: dict[str, Any] = {"note": reason[:MAX_NOTE]} if reason else {}
    if operation_id:
        values["operation_id"] = operation_id
    return move(connection, org_id, chosen, DISCARDED, of=ASIDE, **values)


def snooze(connection: Connection, org_id: str, letter_id: str, until: datetime) -> DeadLetterView:
    """Put a dead letter aside until then. Raises DeadLetterNotFound, WrongState."""
    before = dead_letters.get(connection, letter_id, org_id)
    mine = and_(letters.c.id == letter_id, letters.c.state.in_(ASIDE))
    changed = update(letters).where(mine).values(state=SNOOZED, snoozed_until=until)
    if not connection.execute(changed).rowcount:
        raise WrongState(f"Dead letter {letter_id} is {before.state}.", cure=f"Look at it: vedette dlq get {letter_id}")
    return dead_letters.get(connection, letter_id, org_id)


def is_due() -> ColumnElement[bool]:
    """The condition on letters whose snooze should end."""
    return and_(letters.c.state == SNOOZED, letters.c.ended_at.is_(None), letters.c.snoozed_until <= now())


def wake_due(connection: Connection) -> int:
    """End the snooze of those whose time has come; return how many."""
    return connection.execute(update(letters).where(is_due()).values(state=_AWAKE, snoozed_until=None)).rowcount


def reclassify(
    connection: Connection, org_id: str, letter_id: str, failure_class: FailureClass, by: str, *, learn: bool = False
) -> DeadLetterView:
    """Give a dead letter another class; learn: and all later ones of its fingerprint. Raises DeadLetterNotFound."""
    letter = dead_letters.get(connection, letter_id, org_id)
    values = {"failure_class": failure_class, "rule": f"reclassified by {by}"[:MAX_NOTE]}
    connection.execute(update(letters).where(letters.c.id == letter_id).values(**values))
    if learn:
        rule = NewRule(fingerprint=letter.fingerprint, failure_class=failure_class)
        dlq_rules.learn(connection, org_id, letter_id, rule, by)
    return dead_letters.get(connection, letter_id, org_id)


_AWAKE = case((letters.c.is_poison, QUARANTINED.value), else_=OPEN.value)
