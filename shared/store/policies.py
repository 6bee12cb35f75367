"""Retry policies of organisations: what somebody chose for a class, where it is not what `shared.errors` says."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, delete, select

from shared.contracts.policy import PolicyChange, PolicyView
from shared.errors import POLICIES, UNTIL_HEALTHY, BackOff, FailureClass, Policy
from shared.ids import now
from shared.store.engine import insert_missing
from shared.store.tables import policies


def all_of(connection: Connection, org_id: str) -> list[PolicyView]:
    """Return the policy of every class."""
    rows = connection.execute(select(policies).where(policies.c.org_id == org_id)).mappings()
    chosen = {row["failure_class"]: row for row in rows}
    return [_view(each, chosen.get(each)) for each in FailureClass]


def get(connection: Connection, org_id: str, failure_class: FailureClass) -> PolicyView:
    """Return the policy of one class."""
    return next(each for each in all_of(connection, org_id) if each.failure_class is failure_class)


def change(connection: Connection, org_id: str, failure_class: FailureClass, to: PolicyChange, by: str) -> PolicyView:
    """Have another policy hold from now on; workers see it within seconds."""
    reset(connection, org_id, failure_class)
    row = {"org_id": org_id, "failure_class": failure_class, "changed_by": by[:255], "changed_at": now()}
    insert_missing(connection, policies, [row | to.model_dump() | {"retries": _stored(to.retries)}])
    return get(connection, org_id, failure_class)


def reset(connection: Connection, org_id: str, failure_class: FailureClass) -> PolicyView:
    """Have the default hold again."""
    mine = (policies.c.org_id == org_id, policies.c.failure_class == failure_class)
    connection.execute(delete(policies).where(*mine))
    return get(connection, org_id, failure_class)


def chosen(connection: Connection, org_id: str) -> dict[FailureClass, Policy]:
    """Return the policies that are not the defaults."""
    return {
        each.failure_class: Policy(_stored(each.retries), each.back_off, each.base_s, each.cap_s)
        for each in all_of(connection, org_id)
        if not each.is_default
    }


def _view(failure_class: FailureClass, row: RowMapping | None) -> PolicyView:
    if row is None:
        default = POLICIES[failure_class]
        return PolicyView(
            failure_class=failure_class,
            retries=_shown(default.retries),
            back_off=default.back_off,
            base_s=default.base_s,
            cap_s=default.cap_s,
        )
    fields = {name: row[name] for name in ("base_s", "cap_s", "changed_by", "changed_at")}
    return PolicyView(
        failure_class=failure_class,
        retries=_shown(row["retries"]),
        back_off=BackOff(row["back_off"]),
        is_default=False,
        **fields,
    )


def _shown(retries: int) -> int | None:
    return None if retries == UNTIL_HEALTHY else retries


def _stored(retries: int | None) -> int:
    return UNTIL_HEALTHY if retries is None else retries
