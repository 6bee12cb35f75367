"""Retry policies: how often each class of failures is tried again, and what somebody chose instead."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from gateway.auth import Asking, described, needs
from gateway.openapi import problems
from gateway.page import Page
from shared.contracts.identity import Permission
from shared.contracts.policy import PolicyChange, PolicyView
from shared.errors import FailureClass
from shared.store import audit, policies
from shared.store.engine import reading, writing

router = APIRouter(
    prefix="/api/v1/policies", tags=["policies"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)

Class = Annotated[FailureClass, Path(alias="class")]


@router.get("", dependencies=[needs(Permission.READ)])
def list_policies(caller: Asking) -> Page[PolicyView]:
    """The policy of every class."""
    with reading(caller.org_id) as connection:
        return Page(items=policies.all_of(connection, caller.org_id))


@router.get("/{class}", dependencies=[needs(Permission.READ)])
def get_policy(caller: Asking, of: Class) -> PolicyView:
    """The policy of one class."""
    with reading(caller.org_id) as connection:
        return policies.get(connection, caller.org_id, of)


@router.put("/{class}", responses=problems(400, 413, 415), dependencies=[needs(Permission.POLICY)])
def change_policy(caller: Asking, of: Class, to: PolicyChange) -> PolicyView:
    """Have another policy hold, within seconds."""
    with writing(caller.org_id) as connection:
        found = policies.change(connection, caller.org_id, of, to, caller.actor)
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            "policy.change",
            f"policy:{of}",
            **to.model_dump(mode="json"),
            address=caller.address,
        )
    return found


@router.delete("/{class}", dependencies=[needs(Permission.POLICY)])
def reset_policy(caller: Asking, of: Class) -> PolicyView:
    """Have the default hold again."""
    with writing(caller.org_id) as connection:
        found = policies.reset(connection, caller.org_id, of)
        audit.add(connection, caller.org_id, caller.actor, "policy.reset", f"policy:{of}", address=caller.address)
    return found
