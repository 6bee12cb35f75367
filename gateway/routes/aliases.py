"""Routes that users of the earlier systems know, each a thin layer over the one that stands for it now."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Query, Response
from starlette.background import BackgroundTask

from gateway import aliases, bulk, intake, letters, queues
from gateway.aliases import ConfirmationMissing, ScalingAbsent
from gateway.auth import Asking, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page, Paged
from gateway.preference import Preferring, begun, done
from gateway.routes.operations import accepted
from gateway.submission import BatchSubmission, Submission
from shared.contracts.dead_letter import BulkReplay, DeadLetterView, Replay, Selection, Verdict
from shared.contracts.earlier import (
    EarlierScan,
    EarlierScanState,
    EarlierTask,
    EarlierTasks,
    QueuesStatus,
    ScaleRequest,
    WorkersStatus,
    WorkerStats,
)
from shared.contracts.identity import Permission
from shared.contracts.operation import Operation
from shared.store import dead_letters
from shared.store.engine import reading

router = APIRouter(
    tags=["earlier systems"], deprecated=True, dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)

_TAKEN: dict[str, Any] = {
    "status_code": 202,
    "responses": problems(400, 413, 415),
    "dependencies": [needs(Permission.SUBMIT)],
}
_READ: dict[str, Any] = {"dependencies": [needs(Permission.READ)]}


@router.post("/api/scan", **_TAKEN)
def start_scan(caller: Asking, asked: EarlierScan, response: Response) -> EarlierTask:
    """Scan one host. Now: `POST /api/v1/jobs`."""
    return _taken(aliases.scan(caller, asked), response)


@router.get("/api/scan/{id}", responses=problems(404, 409), **_READ)
def get_scan(caller: Asking, piece: Piece) -> EarlierScanState:
    """How far a scan is. Now: `GET /api/v1/jobs/{id}`."""
    return aliases.state(caller, piece)


@router.post("/api/v1/analysis/submit", **_TAKEN)
def submit_analysis(caller: Asking, asked: Submission, response: Response) -> EarlierTask:
    """Submit a target. Now: `POST /api/v1/jobs`."""
    return _taken(aliases.submit(caller, asked), response)


@router.post("/api/v1/analysis/submit-bulk", response_model=EarlierTasks, **_TAKEN)
def submit_analyses(caller: Asking, asked: BatchSubmission) -> Response:
    """Submit many targets. Now: `POST /api/v1/batches`."""
    batch_id, ids = aliases.submit_bulk(caller, asked)
    rest = BackgroundTask(intake.follow_up, caller, ids)
    told = EarlierTasks(batch_id=batch_id, job_ids=ids, total=len(ids))
    headers = begun(f"/api/v1/batches/{batch_id}", 202)
    return Response(told.model_dump_json(), 202, headers, "application/json", rest)


@router.get("/api/v1/analysis/status/{id}", responses=problems(404, 409), **_READ)
def get_analysis(caller: Asking, piece: Piece) -> EarlierScanState:
    """How far a job is. Now: `GET /api/v1/jobs/{id}`."""
    return aliases.state(caller, piece)


@router.get("/api/v1/workers/stats", **_READ)
def get_worker_stats(caller: Asking) -> WorkerStats:
    """The numbers of the earlier dashboard. Now: `GET /api/v1/stats/overview` and `/queues`."""
    return aliases.stats(caller)


@router.get("/api/v1/workers/status", **_READ)
def get_workers_status() -> WorkersStatus:
    """The workers that are there. Now: `GET /api/v1/workers`."""
    found = queues.workers()
    return WorkersStatus(workers=found, total=len(found), busy=sum(each.busy for each in found))


@router.get("/api/v1/workers/queues", **_READ)
def get_workers_queues() -> QueuesStatus:
    """The queues. Now: `GET /api/v1/queues`."""
    found = queues.views()
    return QueuesStatus(queues=found, total_pending=sum(each.waiting for each in found))


@router.get("/api/v1/workers/dlq", **_READ)
def get_workers_dlq(caller: Asking, paging: Paged) -> Page[DeadLetterView]:
    """The newest dead letters. Now: `GET /api/v1/dlq`."""
    with reading(caller.org_id) as connection:
        found = dead_letters.page(connection, caller.org_id, limit=paging.more, before=letters.place(paging))
    return paging.cut(found, *letters.ORDER)


@router.post(
    "/api/v1/workers/scale",
    status_code=409,
    response_class=Response,
    response_model=None,
    responses=problems(400, 409, 413, 415),
    dependencies=[needs(Permission.QUEUES)],
)
def scale_workers(asked: ScaleRequest) -> NoReturn:
    """Always refused: this installation does not scale by itself yet."""
    raise ScalingAbsent(
        f"Workers of {asked.service} are not scaled by the gateway.",
        cure="Start more of them with the containers: docker compose up --scale SERVICE=N",
    )


@router.post("/api/v1/workers/dlq/{id}/replay", responses=problems(404, 409), dependencies=[needs(Permission.OPERATE)])
def replay_one(caller: Asking, piece: Piece) -> Verdict:
    """Replay a dead letter. Now: `POST /api/v1/dlq/{id}:replay`."""
    return letters.replay(caller, piece, Replay())


@router.post(
    "/api/v1/workers/dlq/replay-all",
    status_code=202,
    response_model=Operation,
    responses={**done(Operation), **problems(409)},
    dependencies=[needs(Permission.OPERATE)],
)
async def replay_all(caller: Asking, preferring: Preferring) -> Response:
    """Replay all open dead letters, as an operation. Now: `POST /api/v1/dlq:replay`."""
    every = BulkReplay(selection=Selection(all=True))
    return await accepted(lambda: bulk.replay(caller, every), caller, preferring)


@router.delete(
    "/api/v1/workers/dlq/clear",
    status_code=202,
    response_model=Operation,
    responses={**done(Operation), **problems(400, 409)},
    dependencies=[needs(Permission.OPERATE)],
)
async def clear_dlq(
    caller: Asking,
    preferring: Preferring,
    confirm: Annotated[bool, Query(description="That it is meant.")] = False,
) -> Response:
    """Discard all open dead letters, as an operation. Now: `POST /api/v1/dlq:discard`."""
    if not confirm:
        raise ConfirmationMissing("All dead letters would be discarded.", cure="Add ?confirm=true", pointer="/confirm")
    return await accepted(lambda: aliases.clear(caller), caller, preferring)


def _taken(task: EarlierTask, response: Response) -> EarlierTask:
    response.headers.update(begun(f"/api/v1/jobs/{task.job_id}", 202))
    return task
