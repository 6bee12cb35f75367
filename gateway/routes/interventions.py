"""What can be done to jobs: cancel, retry, resume, run again; one of them, or many by a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from gateway import broker, bulk, idempotency, lookup, names, standing
from gateway.auth import Asking, Caller, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.preference import Preference, Preferring, begun, done
from gateway.routes.operations import FORECAST, accepted
from shared.contracts.identity import Permission
from shared.contracts.job import JobState, JobView, StageName, Written
from shared.contracts.operation import BulkCancel, Operation
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
async def cancel_jobs(caller: Asking, asked: BulkCancel, preferring: Preferring) -> Response:
    """Cancel many, as an operation. Another number than `expect` is a 409; a dry run says how many it would be."""
    return await accepted(lambda: bulk.cancel(caller, asked), caller, preferring)


@router.post("/{id}:cancel", responses={**_CANCELLING, **problems(404, 409)}, dependencies=[needs(Permission.OPERATE)])
async def cancel_job(caller: Asking, piece: Piece, response: Response, preferring: Preferring) -> JobView:
    """Cancel a job. Twice is once; one that ended otherwise is a 409."""

    def cancel() -> str:
        job_id = _find(caller, piece)
        broker.intervention().cancel_one(caller.org_id, job_id, caller.actor)
        return job_id

    view = await _after(cancel, caller, preferring)
    return _told(view, response, 202 if view.state is JobState.CANCELLING else 200)


@router.post(
    "/{id}:retry",
    status_code=202,
    responses={**done(JobView), **problems(403, 404, 409)},
    dependencies=[needs(Permission.OPERATE)],
)
async def retry_job(caller: Asking, piece: Piece, response: Response, preferring: Preferring) -> JobView:
    """Go on from the first stage that did not succeed."""

    def retry() -> str:
        job_id = _find(caller, piece)
        broker.intervention().retry(caller.org_id, job_id, caller.actor)
        return job_id

    return await _begun(retry, caller, response, preferring)


@router.post(
    "/{id}:resume",
    status_code=202,
    responses={**done(JobView), **problems(400, 403, 404, 409, 415)},
    dependencies=[needs(Permission.OPERATE)],
)
async def resume_job(
    caller: Asking, piece: Piece, asked: Resume, response: Response, preferring: Preferring
) -> JobView:
    """Go on from a stage, which is done again even if it had succeeded."""

    def resume() -> str:
        job_id = _find(caller, piece)
        broker.intervention().resume(caller.org_id, job_id, asked.stage, caller.actor)
        return job_id

    return await _begun(resume, caller, response, preferring)


@router.post(
    "/{id}:rerun",
    status_code=202,
    responses={**done(JobView), **problems(403, 404, 409)},
    dependencies=[needs(Permission.OPERATE)],
)
async def rerun_job(caller: Asking, piece: Piece, response: Response, preferring: Preferring) -> JobView:
    """Submit its request again, and answer with the new job."""

    def rerun() -> str:
        before = idempotency.made()
        asked = (caller.org_id, _find(caller, piece), caller.actor, idempotency.note, caller.counted_for)
        job_id: str = before[0] if before else broker.intervention().rerun(*asked)
        return job_id

    return await _begun(rerun, caller, response, preferring)


async def _begun(begin: Callable[[], str], caller: Caller, response: Response, preferring: Preference) -> JobView:
    """Return the job that `begin` sends on its way, as it is now or after the wait."""

    def in_turn() -> str:  # the name of the target may be looked up anew
        with names.turn(caller.org_id):
            return begin()

    view = await _after(in_turn, caller, preferring)
    return _told(view, response, preferring.status(is_over=view.state.is_terminal))


def _told(view: JobView, response: Response, status: int) -> JobView:
    response.status_code = status
    response.headers.update(begun(f"{router.prefix}/{view.id}", status))
    return view


async def _after(act: Callable[[], str], caller: Caller, preferring: Preference) -> JobView:
    found = await preferring.job(caller.org_id, await run_in_threadpool(act))
    [view] = await run_in_threadpool(standing.standing, [found])
    return view


def _find(caller: Caller, piece: str) -> str:
    with reading(caller.org_id) as connection:
        return lookup.job_id(connection, caller, piece)
