"""Who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway import page
from gateway.auth import Asking, described, needs
from gateway.openapi import problems
from gateway.page import Page
from shared.contracts.audit import AuditEntry
from shared.contracts.identity import Permission
from shared.store import audit
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/audit", tags=["audit"], dependencies=[described], responses=problems(401, 403, 500, 503)
)


@router.get("", responses=problems(422), dependencies=[needs(Permission.AUDIT)])
def list_audit(
    caller: Asking,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
    action: Annotated[str, Query(max_length=64, description="`queue.pause`, or `queue` for all of that noun.")] = "",
) -> Page[AuditEntry]:
    """Actions, newest first."""
    with reading(caller.org_id) as connection:
        found = audit.page(connection, caller.org_id, limit=limit + 1, before=page.number(cursor), action=action)
    more = len(found) > limit
    return Page(items=found[:limit], next=page.cursor(str(found[limit - 1].seq)) if more else None)
