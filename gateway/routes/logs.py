"""The log of a job: what its processes said of it, kept for as long as its trace."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool

from gateway import lookup
from gateway.auth import Asking, Caller, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.preference import Preferring
from shared.contracts.identity import Permission
from shared.contracts.job import StageName
from shared.contracts.logs import MAX_LINES, JobLog, LogLevel
from shared.ids import now
from shared.store import jobs, lines
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/jobs",
    tags=["jobs"],
    dependencies=[described, needs(Permission.READ)],
    responses=problems(401, 403, 404, 409, 422, 500, 503),
)

SETTLE = timedelta(seconds=2)  # from the end of a job until its last lines have come in
After = Annotated[str, Query(max_length=64, description="`after` of the answer before: only what came since.")]


class Asked:
    """Which lines: this bad or worse, of one stage or all, up to `limit` of those that came after `after`."""

    def __init__(
        self,
        level: LogLevel = LogLevel.INFO,
        stage: StageName | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LINES)] = 500,
        after: After = "",
    ) -> None:
        self.level, self.stage, self.limit, self.after = level, str(stage or ""), limit, after

    def read(self, caller: Caller, job_id: str) -> JobLog:
        """Return what there is now."""
        with reading(caller.org_id) as connection:
            ended_at = jobs.view(connection, job_id, caller.org_id).finished_at
            found = lines.page(
                connection, job_id, after=self.after, limit=self.limit, level=self.level, stage=self.stage
            )
        is_over = len(found) < self.limit and ended_at is not None and now() - ended_at > SETTLE
        return JobLog(items=found, after=found[-1].id if found else self.after, is_over=is_over)


@router.get("/{id}/logs")
async def get_log(caller: Asking, piece: Piece, asked: Annotated[Asked, Depends()], preferring: Preferring) -> JobLog:
    """The lines of the job's log, as they came in. With `Prefer: wait` it is answered when there is one."""
    job_id = await run_in_threadpool(_find, caller, piece)
    return await preferring.met(lambda: asked.read(caller, job_id), lambda found: bool(found.items) or found.is_over)


def _find(caller: Caller, piece: str) -> str:
    with reading(caller.org_id) as connection:
        return lookup.job_id(connection, caller, piece)
