"""Jobs that are changed while they wait, and deleted when they are over."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from gateway import etag, lookup
from gateway.auth import Asking, described, needs
from gateway.headers import named
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.standing import standing
from shared import admission
from shared.contracts.identity import Permission
from shared.contracts.job import JobView
from shared.contracts.submission import JobChange
from shared.store import amendment, audit, jobs
from shared.store.engine import reading, writing

router = APIRouter(
    prefix="/api/v1/jobs",
    tags=["jobs"],
    dependencies=[described, needs(Permission.OPERATE)],
    responses=problems(401, 403, 404, 409, 422, 500, 503),
)

IfMatch = Annotated[str, Header(max_length=1000, description="The `ETag` of the job as you know it.")]


@router.patch("/{id}", responses={200: {"headers": named("ETag")}, **problems(400, 412, 415)})
def change_job(caller: Asking, piece: Piece, asked: JobChange, response: Response, if_match: IfMatch = "") -> JobView:
    """Change tags while the job is open; priority and deadline while it waits to be sent (scheduled, held back)."""
    if asked.deadline_at:
        admission.check_deadline(asked.deadline_at)
    with reading(caller.org_id) as connection:
        job_id = lookup.job_id(connection, caller, piece)
        before = jobs.view(connection, job_id)
        _, options = jobs.request(connection, job_id)
    etag.check(if_match, etag.of_job(standing([before])[0]))
    lane = admission.lane(options.model_copy(update={"priority": asked.priority})) if asked.priority else None
    with writing(caller.org_id) as connection:
        amendment.change(connection, job_id, asked, lane)
        told = asked.model_dump(mode="json", exclude_none=True)
        audit.add(
            connection, caller.org_id, caller.actor, "job.change", f"job:{job_id}", **told, address=caller.address
        )
    with reading(caller.org_id) as connection:
        [after] = standing([jobs.view(connection, job_id)])
    response.headers["ETag"] = etag.of_job(after)
    return after


@router.delete("/{id}", status_code=204)
def delete_job(caller: Asking, piece: Piece) -> Response:
    """Delete a job that is over, with its findings, reports, events and dead letters."""
    with writing(caller.org_id) as connection:
        job_id = lookup.job_id(connection, caller, piece)
        target, ended_at = amendment.remove(connection, job_id)
        detail: dict[str, Any] = {"target": target, "ended_at": ended_at.isoformat()}
        audit.add(
            connection, caller.org_id, caller.actor, "job.delete", f"job:{job_id}", **detail, address=caller.address
        )
    return Response(status_code=204)
