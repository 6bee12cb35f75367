"""What the organisation may use, and how much of it is used."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway.auth import Asking, Forbidden, described, needs
from gateway.openapi import problems
from shared.contracts.identity import Permission
from shared.contracts.limits import Limits, Quota
from shared.store import audit, quotas
from shared.store.engine import reading, writing

router = APIRouter(
    prefix="/api/v1/quota",
    tags=["organisations"],
    dependencies=[described],
    responses=problems(401, 403, 422, 500, 503),
)


@router.get("", dependencies=[needs(Permission.READ)])
def get_quota(caller: Asking) -> Quota:
    """The limits that hold for the organisation, and what is used of them."""
    with reading(caller.org_id) as connection:
        return quotas.view(connection, caller.org_id, caller.counted_for)


@router.patch("", dependencies=[needs(Permission.ORGANISATION)], responses=problems(400, 415))
def change_quota(caller: Asking, asked: Limits) -> Quota:
    """Set those limits that are given; null takes what holds for all.

    An owner only lowers them; whoever runs the installation sets any.
    """
    with writing(caller.org_id) as connection:
        before = quotas.view(connection, caller.org_id, caller.counted_for).own
        after = before.model_copy(update={name: getattr(asked, name) for name in asked.model_fields_set})
        if Permission.INSTALLATION not in caller.permissions and _is_wider(before, after):
            raise Forbidden("Only whoever runs the installation widens limits.", cure="Ask them.")
        quotas.change(connection, caller.org_id, after)
        told: dict[str, Any] = {"before": before.model_dump(), "after": after.model_dump()}
        subject = f"organisation:{caller.org_id}"
        audit.add(connection, caller.org_id, caller.actor, "quota.changed", subject, address=caller.address, **told)
        return quotas.view(connection, caller.org_id, caller.counted_for)


@router.patch("/members/{user_id}", dependencies=[needs(Permission.ORGANISATION)], responses=problems(400, 404, 415))
def change_member_limits(caller: Asking, user_id: str, asked: Limits) -> Limits:
    """Set those limits of one member that are given, below those of the organisation; null takes them away."""
    with writing(caller.org_id) as connection:
        before = quotas.of_member(connection, caller.org_id, user_id)
        after = before.model_copy(update={name: getattr(asked, name) for name in asked.model_fields_set})
        quotas.change_member(connection, caller.org_id, user_id, after)
        told: dict[str, Any] = {"before": before.model_dump(), "after": after.model_dump()}
        subject = f"user:{user_id}"
        audit.add(connection, caller.org_id, caller.actor, "quota.changed", subject, address=caller.address, **told)
    return after


def _is_wider(before: Limits, after: Limits) -> bool:
    all_of = quotas.defaults()
    held, wanted = before.over(all_of), after.over(all_of)
    return any(
        old is not None and (new is None or new > old)
        for old, new in ((getattr(held, name), getattr(wanted, name)) for name in Limits.model_fields)
    )
