"""Traces: where the time of a job went."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic_core import to_json

from gateway import lookup, traces
from gateway.auth import Asking, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from shared.contracts.identity import Permission
from shared.contracts.trace import Trace, TraceFormat
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1",
    tags=["traces"],
    dependencies=[described, needs(Permission.READ)],
    responses=problems(401, 403, 404, 422, 500, 503),
)

HOW = "`tree`: equal siblings in one row; `spans`: each in its own; `otlp`: OTLP/JSON, for a collector's `/v1/traces`."
Format = Annotated[TraceFormat, Query(alias="format", description=HOW)]


@router.get("/jobs/{id}/trace", response_model=Trace | traces.otlp.OtlpDocument, responses=problems(409))
def get_job_trace(
    caller: Asking,
    piece: Piece,
    form: Format = TraceFormat.TREE,
    run: Annotated[int | None, Query(ge=1, description="An earlier run of the job; else its last one.")] = None,
) -> Response:
    """Where the time of a job went, in every queue and process. What goes on now is in it as live."""
    with reading(caller.org_id) as connection:
        source = traces.of_job(connection, lookup.job_id(connection, caller, piece), run)
    return _answer(source, form)


@router.get("/traces/{trace_id}", response_model=Trace | traces.otlp.OtlpDocument)
def get_trace(
    caller: Asking, trace_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")], form: Format = TraceFormat.TREE
) -> Response:
    """A trace with all of its jobs."""
    with reading(caller.org_id) as connection:
        source = traces.of_trace(connection, caller.org_id, trace_id)
    return _answer(source, form)


def _answer(source: traces.Source, form: TraceFormat) -> Response:
    if form is TraceFormat.OTLP:
        return Response(to_json(traces.otlp.document(source)), media_type="application/json")
    made = traces.trace(source, is_grouped=form is TraceFormat.TREE)
    return Response(made.model_dump_json(), media_type="application/json")
