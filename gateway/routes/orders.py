"""Reports that are ordered of jobs that are over: made in the background, each by itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from gateway import lookup, orders
from gateway.auth import Asking, Caller, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from shared.contracts.identity import Permission
from shared.contracts.report import NewReport, ReportOrder
from shared.store.engine import reading
from shared.store.step import OVER

router = APIRouter(
    prefix="/api/v1/jobs/{id}/reports",
    tags=["reports"],
    dependencies=[described],
    responses=problems(401, 403, 404, 409, 422, 500, 503),
)


@router.post(
    "",
    status_code=202,
    response_model=ReportOrder,
    responses={
        200: {"model": ReportOrder, "description": "It is there."},
        **problems(400, 413, 415, 429),
    },
    dependencies=[needs(Permission.SUBMIT)],
)
async def order_report(caller: Asking, piece: Piece, asked: NewReport) -> Response:
    """Have a report of a job that is over made in a further format. One that failed is tried again."""
    job_id = await run_in_threadpool(_find, caller, piece)
    made = await run_in_threadpool(orders.accept, caller, job_id, asked.format)
    headers = {"Location": f"/api/v1/jobs/{job_id}/reports/{made.format}/order"}
    if made.state in OVER:
        return Response(made.model_dump_json(), 200, headers, "application/json")
    return Response(made.model_dump_json(), 202, {**headers, "Retry-After": "1"}, "application/json")


@router.get("/{format}/order", dependencies=[needs(Permission.READ)])
async def get_order(
    caller: Asking, piece: Piece, name: Annotated[str, Path(alias="format", max_length=64)]
) -> ReportOrder:
    """How far a report is that was asked for, with the job or later."""
    job_id = await run_in_threadpool(_find, caller, piece)
    return await run_in_threadpool(orders.look, caller, job_id, name)


def _find(caller: Caller, piece: str) -> str:
    with reading(caller.org_id) as connection:
        return lookup.job_id(connection, caller, piece)
