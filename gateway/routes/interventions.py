"""What can be done to jobs: cancel, retry, resume, run again; one of them, or many by a query."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from gateway import broker, bulk, idempotency, lookup, standing
from gateway.auth import Asking, Caller, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.routes.operations import FORECAST, accepted
from shared.contracts.identity import Permission
from shared.contracts.job import JobState, JobView, StageName, Written
from shared.contracts.operation import BulkCancel, Operation
from shared.store import jobs
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/jobs", tags=["jobs"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)

_CANCELLING: dict[int | str, dict[str, Any]] = {202: {"model": JobView, "description": "It runs, and is told to stop"}}


class Resume(Written):
    """The stage from which a job is done again."""

    stage: StageName


@router.post(
    ":cancel",
    status_code=202,
    response_model=Operation,
    responses={**FORECAST, **problems(400, 409, 413, 415)},
    dependencies=[needs(Permission.OPERATE)],
)
def cancel_jobs(caller: Asking, asked: BulkCancel) -> Response:
    """Cancel many, as an operation. Another number than `expect` is a 409; a dry run says how many it would be."""
    return accepted(bulk.cancel(caller, asked))


@router.post("/{id}:cancel", responses={**_CANCELLING, **problems(404, 409)}, dependencies=[needs(Permission.OPERATE)])
def cancel_job(caller: Asking, piece: Piece, response: Response) -> JobView:
    """Cancel a job. Twice is once; one that ended otherwise is a 409."""
    job_id = _find(caller, piece)
    broker.intervention().cancel_one(caller.org_id, job_id, caller.actor)
    view = _view(caller, job_id)
    response.status_code = 202 if view.state is JobState.CANCELLING else 200
    return view


@router.post(
    "/{id}:retry", status_code=202, responses=problems(403, 404, 409), dependencies=[needs(Permission.OPERATE)]
)
def retry_job(caller: Asking, piece: Piece) -> JobView:
    """Go on from the first stage that did not succeed."""
    job_id = _find(caller, piece)
    broker.intervention().retry(caller.org_id, job_id, caller.actor)
    return _view(caller, job_id)


@router.post(
    "/{id}:resume",
    status_code=202,
    responses=problems(400, 403, 404, 409, 415),
    dependencies=[needs(Permission.OPERATE)],
)
def resume_job(caller: Asking, piece: Piece, asked: Resume) -> JobView:
    """Go on from a stage, which is done again even if it had succeeded."""
    job_id = _find(caller, piece)
    broker.intervention().resume(caller.org_id, job_id, asked.stage, caller.actor)
    return _view(caller, job_id)


@router.post(
    "/{id}:rerun", status_code=202, responses=problems(403, 404, 409), dependencies=[needs(Permission.OPERATE)]
)
def rerun_job(caller: Asking, piece: Piece, response: Response) -> JobView:
    """Submit its request again, and answer with the new job."""
    before = idempotency.made()
    asked = (caller.org_id, _find(caller, piece), caller.actor, idempotency.note, caller.counted_for)
    job_id: str = before[0] if before else broker.intervention().rerun(*asked)
    response.headers["Location"] = f"{router.prefix}/{job_id}"
    return _view(caller, job_id)


def _find(caller: Caller, piece: str) -> str:
    with reading(caller.org_id) as connection:
        return lookup.job_id(connection, caller, piece)


def _view(caller: Caller, job_id: str) -> JobView:
    with reading(caller.org_id) as connection:
        return standing.standing([jobs.view(connection, job_id)])[0]
