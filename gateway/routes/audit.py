"""Who did what, and whether it is still what was written."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from gateway import ledger
from gateway.auth import Asking, described, needs
from gateway.headers import named
from gateway.openapi import problems
from gateway.page import Cursor, Limit, Page, Paging
from shared.contracts.audit import AuditEntry, AuditFilter, Verification
from shared.contracts.identity import Permission
from shared.store import audit, proof
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/audit",
    tags=["audit"],
    dependencies=[described, needs(Permission.AUDIT)],
    responses=problems(401, 403, 422, 500, 503),
)


class Asked(AuditFilter):
    """Which entries, and how many."""

    limit: Limit = 50
    cursor: Cursor = ""


class Exported(AuditFilter):
    """Which entries, and as what."""

    format: ledger.Format = "jsonl"


_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/jsonl": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}},
        "headers": named("Content-Disposition"),
    }
}


@router.get("")
def list_audit(request: Request, caller: Asking, asked: Annotated[Asked, Query()]) -> Page[AuditEntry]:
    """Actions, newest first. action and subject may be the noun of some: `queue`, or `queue.pause`."""
    paging = Paging(request, caller, asked.limit, asked.cursor)
    which = asked.model_dump(exclude={"limit", "cursor"})
    with reading(caller.org_id) as connection:
        found = audit.page(connection, caller.org_id, limit=paging.more, before=int(paging.after or 0), **which)
    return paging.cut(found, "seq")


@router.get("/verify")
def verify_audit(
    caller: Asking,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next` of the answer before.")] = 0,
    known: Annotated[str, Query(max_length=64, description="A `hash` that was told once.")] = "",
) -> Verification:
    """Check up to 2000 entries. The first that was changed, removed or moved is named; with `next`, ask again."""
    with reading(caller.org_id) as connection:
        return proof.verify(connection, caller.org_id, after=after, known=known)


@router.get("/export", response_class=Response, responses=_EXPORT)
def export_audit(caller: Asking, asked: Annotated[Exported, Query()]) -> Response:
    """All actions that match, oldest first, as JSON lines or CSV."""
    found = ledger.export(caller, AuditFilter(**asked.model_dump(exclude={"format"})), asked.format)
    first = next(found, b"")  # a database that is away is told as a problem, before the answer begins
    headers = {"Content-Disposition": f'attachment; filename="audit.{asked.format}"'}
    return StreamingResponse(chain([first], found), headers=headers, media_type=ledger.MEDIA_TYPES[asked.format])
