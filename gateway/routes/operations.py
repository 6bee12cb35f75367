"""Operations: how far bulk work is; pause, resume and stop take hold after the batch that is being done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from gateway import lookup
from gateway.auth import Asking, Caller, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page, Paged
from gateway.preference import Preference, Preferring, begun
from shared.contracts.dead_letter import Forecast
from shared.contracts.identity import Permission
from shared.contracts.operation import Operation
from shared.store import audit, operations
from shared.store.engine import Connection, reading, writing

router = APIRouter(
    prefix="/api/v1/operations",
    tags=["operations"],
    dependencies=[described],
    responses=problems(401, 403, 422, 500, 503),
)

FORECAST: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Forecast | Operation,
        "description": "What a dry run would do; or the operation, over within the time that `Prefer: wait` gave",
    }
}


@router.get("", dependencies=[needs(Permission.READ)])
def list_operations(
    caller: Asking,
    paging: Paged,
) -> Page[Operation]:
    """Operations, newest first."""
    with reading(caller.org_id) as connection:
        found = operations.page(connection, caller.org_id, limit=paging.more, before=paging.after)
    return paging.cut(found)


@router.get("/{id}", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
async def get_operation(caller: Asking, piece: Piece, preferring: Preferring) -> Operation:
    """One operation as it is now, or when it is over."""
    return await preferring.met(partial(_read, caller, piece), _is_over)


@router.post("/{id}:pause", responses=problems(404, 409), dependencies=[needs(Permission.OPERATE)])
def pause_operation(caller: Asking, piece: Piece) -> Operation:
    """Stop it until it is resumed. One that is paused stays so; one that is over is a 409."""
    with _acting(caller, piece, "pause") as (connection, operation_id):
        return operations.pause(connection, operation_id, f"Paused by {caller.actor}.")


@router.post("/{id}:resume", responses=problems(404, 409), dependencies=[needs(Permission.OPERATE)])
def resume_operation(caller: Asking, piece: Piece) -> Operation:
    """Let it go on where it was. One that is not paused goes on anyway; one that is over is a 409."""
    with _acting(caller, piece, "resume") as (connection, operation_id):
        return operations.resume(connection, operation_id)


@router.post("/{id}:stop", responses=problems(404, 409), dependencies=[needs(Permission.OPERATE)])
def stop_operation(caller: Asking, piece: Piece) -> Operation:
    """End it. What was acted on stays so."""
    with _acting(caller, piece, "stop") as (connection, operation_id):
        return operations.stop(connection, operation_id, f"Stopped by {caller.actor}.")


async def accepted(begin: Callable[[], Operation | Forecast], caller: Caller, preferring: Preference) -> Response:
    """Begin bulk work and return the answer: 202 and where its operation is, 200 if it is over, or what it would do."""
    outcome = await run_in_threadpool(begin)
    if isinstance(outcome, Forecast):
        return Response(outcome.model_dump_json(), 200, media_type="application/json")
    if preferring.wait_s:
        outcome = await preferring.met(partial(_read, caller, outcome.id), _is_over)
    status = preferring.status(is_over=_is_over(outcome))
    headers = begun(f"{router.prefix}/{outcome.id}", status) | preferring.headers
    return Response(outcome.model_dump_json(), status, headers, "application/json")


def _read(caller: Caller, piece: str) -> Operation:
    with reading(caller.org_id) as connection:
        return operations.get(connection, lookup.operation_id(connection, caller, piece))


def _is_over(operation: Operation) -> bool:
    return operation.state.is_over


@contextmanager
def _acting(caller: Caller, piece: str, verb: str) -> Iterator[tuple[Connection, str]]:
    with writing(caller.org_id) as connection:
        operation_id = lookup.operation_id(connection, caller, piece)
        yield connection, operation_id
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            f"operation.{verb}",
            f"operation:{operation_id}",
            address=caller.address,
        )
