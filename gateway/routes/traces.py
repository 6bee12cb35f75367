"""Traces: where the time of a job went."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from gateway import lookup, traces
from gateway.auth import Asking, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from shared.contracts.identity import Permission
from shared.contracts.trace import Trace
from shared.store import jobs
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1",
    tags=["traces"],
    dependencies=[described, needs(Permission.READ)],
    responses=problems(401, 403, 404, 422, 500, 503),
)


@router.get("/jobs/{id}/trace", responses=problems(409))
def get_job_trace(caller: Asking, piece: Piece) -> Trace:
    """The spans of one job."""
    with reading(caller.org_id) as connection:
        found = jobs.view(connection, lookup.job_id(connection, caller, piece))
    return traces.trace(found.trace_id, [found])


@router.get("/traces/{trace_id}")
def get_trace(caller: Asking, trace_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> Trace:
    """The spans of all jobs of a trace, the oldest job first."""
    with reading(caller.org_id) as connection:
        found = jobs.views(connection, jobs.ids_of_trace(connection, caller.org_id, trace_id))
    return traces.trace(trace_id, found)
