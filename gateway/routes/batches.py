"""Batches: many targets under one name, made together or not at all."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from gateway import bulk, intake, lookup
from gateway.auth import Asking, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page, Paged
from gateway.preference import Preferring, begun, done
from gateway.routes.operations import accepted
from gateway.standing import standing
from gateway.submission import BatchSubmission
from shared.contracts.batch import BatchView
from shared.contracts.dead_letter import Forecast
from shared.contracts.identity import Permission
from shared.contracts.job import JobState, JobView
from shared.contracts.operation import BulkCancel, Operation
from shared.store import batches, jobs
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/batches", tags=["batches"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)


@router.post(
    "",
    status_code=202,
    response_model=BatchView,
    responses={**done(BatchView), **problems(400, 413, 415)},
    dependencies=[needs(Permission.SUBMIT)],
)
async def create_batch(caller: Asking, asked: BatchSubmission, preferring: Preferring) -> Response:
    """Submit up to 10,000 targets; networks become one job per host. All jobs are made, or none."""
    made, ids = await run_in_threadpool(intake.accept_batch, caller, asked)
    rest = None if preferring.wait_s else BackgroundTask(intake.follow_up, caller, ids)
    if preferring.wait_s:
        await run_in_threadpool(intake.follow_up, caller, ids)
        made = await preferring.met(lambda: intake.batch(caller, made.id), lambda batch: batch.is_over)
    status = preferring.status(is_over=made.is_over)
    headers = begun(f"{router.prefix}/{made.id}", status) | preferring.headers
    return Response(made.model_dump_json(), status, headers, "application/json", rest)


@router.get("", dependencies=[needs(Permission.READ)])
def list_batches(
    caller: Asking,
    paging: Paged,
) -> Page[BatchView]:
    """Batches, newest first."""
    with reading(caller.org_id) as connection:
        found = batches.page(connection, caller.org_id, limit=paging.more, before=paging.after)
    return paging.cut(found)


@router.get("/{id}", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
async def get_batch(caller: Asking, piece: Piece, preferring: Preferring) -> BatchView:
    """One batch: how many of its jobs are in which state, and what they found."""

    def read() -> BatchView:
        with reading(caller.org_id) as connection:
            return batches.get(connection, lookup.batch_id(connection, caller, piece))

    return await preferring.met(read, lambda batch: batch.is_over)


@router.get("/{id}/jobs", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def list_batch_jobs(
    caller: Asking,
    piece: Piece,
    paging: Paged,
    state: JobState | None = None,
) -> Page[JobView]:
    """The jobs of a batch, newest first."""
    with reading(caller.org_id) as connection:
        asked = f"batch:{lookup.batch_id(connection, caller, piece)}"
        found = jobs.page(connection, caller.org_id, limit=paging.more, before=paging.after, state=state, q=asked)
    shown = paging.cut(found)
    return Page(items=standing(shown.items), next=shown.next)


@router.post(
    "/{id}:cancel",
    status_code=202,
    response_model=Operation,
    responses={**done(Operation), **problems(404, 409)},
    dependencies=[needs(Permission.OPERATE)],
)
async def cancel_batch(caller: Asking, piece: Piece, preferring: Preferring) -> Response:
    """Cancel those of its jobs that are not over, as an operation."""

    def begin() -> Operation | Forecast:
        with reading(caller.org_id) as connection:
            batch_id = lookup.batch_id(connection, caller, piece)
        return bulk.cancel(caller, BulkCancel(batch_id=batch_id))

    return await accepted(begin, caller, preferring)
