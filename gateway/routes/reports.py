"""What a job left behind: report files, the document they are made from, and who was told."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel

from gateway import lookup
from gateway.auth import Asking, described, needs
from gateway.headers import named
from gateway.lookup import Piece
from gateway.openapi import problems, ref
from gateway.page import Page, Paged
from shared.contracts.identity import Permission
from shared.contracts.report import ReportDocument, ReportView
from shared.store import deliveries, reports
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1",
    tags=["reports"],
    dependencies=[described],
    responses=problems(401, 403, 404, 409, 422, 500, 503),
)

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_CONTENT: dict[str, Any] = {
    "application/json": {"schema": {"$ref": ref("ReportDocument")}},
    **dict.fromkeys(("text/html", "text/csv", "application/pdf"), _BYTES),
    "*/*": _BYTES,  # of formats that somebody adds
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, in the media type of its format",
        "content": _CONTENT,
        "headers": named("Content-Disposition", "ETag"),
    },
}

# A report shows text of the scanned machine: a browser must treat it as a stranger's page, without scripts.
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'none'"
)


class DeliveryView(BaseModel):
    """One destination that was told, or should have been, in a run of the job. `shown_as` is without its secrets."""

    id: str
    part: str
    run: int
    channel: str
    shown_as: str
    state: str
    answer: str


@router.get("/reports", dependencies=[needs(Permission.READ)])
def list_reports(
    caller: Asking,
    paging: Paged,
    form: Annotated[str, Query(alias="format", max_length=32, description="Only of this format.")] = "",
) -> Page[ReportView]:
    """The report files of all jobs, newest first."""
    with reading(caller.org_id) as connection:
        return paging.cut(reports.page(connection, caller.org_id, paging.more, paging.after, form))


@router.get("/jobs/{id}/reports", dependencies=[needs(Permission.READ)])
def list_job_reports(caller: Asking, piece: Piece) -> Page[ReportView]:
    """The report files of the job."""
    with reading(caller.org_id) as connection:
        return Page(items=reports.of_job(connection, lookup.job_id(connection, caller, piece)))


@router.get(
    "/jobs/{id}/reports/{format}",
    response_class=Response,
    responses=_FILE,
    dependencies=[needs(Permission.READ)],
)
def download_report(
    caller: Asking,
    piece: Piece,
    name: Annotated[str, Path(alias="format", max_length=64)],
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """One report file."""
    with reading(caller.org_id) as connection:
        view, content = reports.content(connection, lookup.job_id(connection, caller, piece), name)
    headers = {"ETag": f'"{view.sha256}"', "Cache-Control": "private, no-cache"}
    if view.sha256 in if_none_match or if_none_match.strip() == "*":
        return Response(status_code=304, headers=headers)
    headers |= {"Content-Disposition": disposition(view.filename), "Content-Security-Policy": SANDBOX}
    return Response(content, headers=headers, media_type=view.media_type)


@router.get("/jobs/{id}/document", dependencies=[needs(Permission.READ)])
def get_document(caller: Asking, piece: Piece) -> ReportDocument:
    """Everything a report says, as JSON."""
    with reading(caller.org_id) as connection:
        return reports.document(connection, lookup.job_id(connection, caller, piece))


@router.get("/jobs/{id}/deliveries", dependencies=[needs(Permission.READ)])
def list_deliveries(caller: Asking, piece: Piece) -> Page[DeliveryView]:
    """Who was told of the job, and what they answered."""
    with reading(caller.org_id) as connection:
        found = deliveries.of_job(connection, lookup.job_id(connection, caller, piece))
    return Page(items=[DeliveryView.model_validate(one, from_attributes=True) for one in found])


def disposition(filename: str) -> str:
    """Return RFC 6266's `Content-Disposition` for a download, whatever is in the name."""
    plain = "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\/;%' else "_" for char in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
