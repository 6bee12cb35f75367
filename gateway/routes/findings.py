"""Findings across jobs: list, decide about, export."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import StreamingResponse

from gateway import lookup, sheets, weaknesses
from gateway.auth import Asking, described, needs
from gateway.headers import named
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page, Paged
from gateway.sheets import SheetFormat
from shared.contracts.identity import Permission
from shared.contracts.query import MAX_LENGTH
from shared.contracts.weakness import BulkTriage, FindingView, TriageChange, Triaged
from shared.store import weaknesses as stored
from shared.store.engine import reading
from shared.store.weaknesses import Which

router = APIRouter(
    prefix="/api/v1/findings", tags=["findings"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)

QUERY = "Such as `severity:critical,high status:open rule:host.telnet target:10.0.0.0/24 first_seen:<7d`."
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in sheets.MEDIA_TYPES.values()},
        "headers": named("Content-Disposition"),
    }
}


def _which(
    q: Annotated[str, Query(max_length=MAX_LENGTH, description=QUERY)] = "",
    every: Annotated[bool, Query(alias="all", description="Also of earlier scans, and those that are fixed.")] = False,
) -> Which:
    return Which(q, every)


Asked = Annotated[Which, Depends(_which)]


@router.get("", dependencies=[needs(Permission.READ)])
def list_all_findings(
    caller: Asking,
    which: Asked,
    paging: Paged,
) -> Page[FindingView]:
    """Findings of the newest scan of each target, newest first."""
    with reading(caller.org_id) as connection:
        found = stored.page(connection, caller.org_id, which, limit=paging.more, before=paging.after)
    return paging.cut(found)


@router.get("/export", response_class=Response, responses=_FILE, dependencies=[needs(Permission.READ)])
def export_findings(
    caller: Asking, which: Asked, kind: Annotated[SheetFormat, Query(alias="format")] = SheetFormat.JSONL
) -> Response:
    """All findings that match, at most 100,000, as a file."""
    found = sheets.export(caller, which, kind)
    first = next(found, b"")  # what is wrong with the query is told as a problem, before the answer begins
    headers = {"Content-Disposition": f'attachment; filename="findings.{kind}"'}
    return StreamingResponse(chain([first], found), headers=headers, media_type=sheets.MEDIA_TYPES[kind])


@router.get("/{id}", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def get_finding(caller: Asking, piece: Piece) -> FindingView:
    """One finding."""
    with reading(caller.org_id) as connection:
        return stored.get(connection, caller.org_id, lookup.finding_id(connection, caller, piece))


@router.post("/{id}:triage", responses=problems(400, 404, 409, 413, 415), dependencies=[needs(Permission.OPERATE)])
def triage_finding(caller: Asking, piece: Piece, asked: TriageChange) -> FindingView:
    """Decide about a finding. It holds for the same finding of the same target in every scan to come."""
    return weaknesses.triage(caller, piece, asked)


@router.post(":triage", responses=problems(400, 409, 413, 415), dependencies=[needs(Permission.OPERATE)])
def triage_findings(caller: Asking, asked: BulkTriage) -> Triaged:
    """Decide about many findings. Another number than `expect` is a 409 that names the right one."""
    return weaknesses.triage_many(caller, asked)
