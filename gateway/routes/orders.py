"""Reports that are ordered of jobs that are over: made in the background, each by itself."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from gateway import lookup, orders
from gateway.auth import Asking, Caller, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.preference import Preferring, begun, done
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
    responses={**done(ReportOrder), **problems(400, 413, 415, 429)},
    dependencies=[needs(Permission.SUBMIT)],
)
async def order_report(caller: Asking, piece: Piece, asked: NewReport, preferring: Preferring) -> Response:
    """Have a report of a job that is over made in a further format. One that failed is tried again."""
    job_id = await run_in_threadpool(_find, caller, piece)
    made = await run_in_threadpool(orders.accept, caller, job_id, asked.format)
    if preferring.wait_s:
        made = await preferring.met(partial(orders.look, caller, job_id, asked.format), _is_over)
    status = 200 if _is_over(made) else 202
    headers = begun(f"/api/v1/jobs/{job_id}/reports/{made.format}/order", status) | preferring.headers
    return Response(made.model_dump_json(), status, headers, "application/json")


@router.get("/{format}/order", dependencies=[needs(Permission.READ)])
async def get_order(
    caller: Asking,
    piece: Piece,
    name: Annotated[str, Path(alias="format", max_length=64)],
    preferring: Preferring,
) -> ReportOrder:
    """How far a report is that was asked for, with the job or later."""
    job_id = await run_in_threadpool(_find, caller, piece)
    return await preferring.met(partial(orders.look, caller, job_id, name), _is_over)


def _is_over(order: ReportOrder) -> bool:
    return order.state in OVER


def _find(caller: Caller, piece: str) -> str:
    with reading(caller.org_id) as connection:
        return lookup.job_id(connection, caller, piece)
