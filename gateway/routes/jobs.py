"""Jobs: submit, list, look at, follow."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from gateway import etag, intake, lookup, preference, stream
from gateway.auth import Asking, Caller, described, needs
from gateway.live import Live
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page, Paged
from gateway.preference import Preference, Preferring
from gateway.standing import standing
from gateway.submission import Submission
from gateway.vigil import Vigil
from shared.broker.view import look
from shared.contracts.events import Event
from shared.contracts.finding import Severity
from shared.contracts.identity import Permission
from shared.contracts.job import JobState, JobView
from shared.contracts.observation import Coverage
from shared.contracts.query import MAX_LENGTH
from shared.contracts.submission import Receipt
from shared.contracts.waiting import Explanation
from shared.contracts.weakness import FindingView
from shared.explanation import explain
from shared.store import evidence, jobs, timeline, weaknesses
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/jobs", tags=["jobs"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)

QUERY = (
    'Such as `state:failed kind:host target:"10.0.0.0/24" ended:>24h -tag:nightly`; free words are parts of targets.'
)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "The events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    204: {"description": "The job is over, and `Last-Event-ID` is its last event."},
}


@router.post(
    "",
    status_code=202,
    response_model=Receipt,
    responses={**preference.done(Receipt), **problems(400, 413, 415)},
    dependencies=[needs(Permission.SUBMIT)],
)
async def submit(caller: Asking, asked: Submission, preferring: Preferring) -> Response:
    """Submit targets to be scanned; a network or range becomes one job per host. All jobs are made, or none."""
    receipt = await run_in_threadpool(intake.accept, caller, asked)
    ids = [job.id for job in receipt.jobs]
    path = f"?batch_id={receipt.batch_id}" if receipt.batch_id else f"/{ids[0]}"
    rest = None if preferring.wait_s else BackgroundTask(intake.follow_up, caller, ids)
    if preferring.wait_s:
        receipt = await _waited(preferring, caller, receipt)
    status = preferring.status(is_over=all(job.state.is_terminal for job in receipt.jobs))
    headers = preference.begun(f"{router.prefix}{path}", status) | preferring.headers
    return Response(receipt.model_dump_json(), status, headers, "application/json", rest)


@router.get("", dependencies=[needs(Permission.READ)])
def list_jobs(
    caller: Asking,
    paging: Paged,
    state: JobState | None = None,
    batch_id: Annotated[str, Query(max_length=36, pattern="^[0-9a-f-]*$")] = "",
    q: Annotated[str, Query(max_length=MAX_LENGTH, description=QUERY)] = "",
) -> Page[JobView]:
    """Jobs, newest first."""
    asked = f"{q} batch:{batch_id}" if batch_id else q
    with reading(caller.org_id) as connection:
        found = jobs.page(connection, caller.org_id, limit=paging.more, before=paging.after, state=state, q=asked)
    shown = paging.cut(found)
    return Page(items=standing(shown.items), next=shown.next)


@router.get("/{id}", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
async def get_job(response: Response, caller: Asking, piece: Piece, preferring: Preferring) -> JobView:
    """One job with its steps, and what it waits for."""
    job_id = await run_in_threadpool(_find, caller, piece)
    found = await preferring.job(caller.org_id, job_id)
    [job] = await run_in_threadpool(standing, [found])
    response.headers["ETag"] = etag.of_job(job)
    return job


@router.get("/{id}/explain", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def explain_job(caller: Asking, piece: Piece) -> Explanation:
    """What holds the job up, or what works on it, in a sentence, with the command that helps."""
    with reading(caller.org_id) as connection:
        found = jobs.view(connection, lookup.job_id(connection, caller, piece), caller.org_id)
        return explain(connection, look(), found)


@router.get("/{id}/findings", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def list_findings(
    caller: Asking, piece: Piece, severity: Annotated[list[Severity], Query(default_factory=list)]
) -> Page[FindingView]:
    """What was found, worst first. Findings of the last scan that are gone have the change `fixed`."""
    with reading(caller.org_id) as connection:
        found = weaknesses.of_job(connection, caller.org_id, lookup.job_id(connection, caller, piece))
    return Page(items=[finding for finding in found if not severity or finding.severity in severity])


@router.get("/{id}/coverage", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def get_coverage(caller: Asking, piece: Piece) -> Coverage:
    """How much of what was asked was checked, and what was not."""
    with reading(caller.org_id) as connection:
        return evidence.covered(connection, lookup.job_id(connection, caller, piece))


@router.get("/{id}/timeline", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def get_timeline(caller: Asking, piece: Piece, after: Annotated[int, Query(ge=0, le=2**62)] = 0) -> Page[Event]:
    """What happened to the job, oldest first."""
    with reading(caller.org_id) as connection:
        return Page(items=timeline.of_job(connection, lookup.job_id(connection, caller, piece), after))


@router.get(
    "/{id}/events",
    response_class=Response,
    responses={**problems(404, 409), **_STREAM},
    dependencies=[needs(Permission.READ)],
)
async def follow(
    request: Request,
    caller: Asking,
    piece: Piece,
    last_event_id: Annotated[str, Header(description="Continue after this event.")] = "",
) -> Response:
    """Follow the job: its events so far and those to come, as Server-Sent Events. Ends when the job is over."""
    after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else 0
    job_id = await run_in_threadpool(_find, caller, piece)
    if after and await run_in_threadpool(stream.is_read, caller.org_id, job_id, after):
        return Response(status_code=204)  # tells an EventSource that there is nothing to come back for
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    chunks = Vigil(request.scope["state"]).over(stream.events(_live(request), caller.org_id, job_id, after))
    return EventSourceResponse(chunks, headers=headers)


async def _waited(preferring: Preference, caller: Caller, receipt: Receipt) -> Receipt:
    """Return the receipt with the jobs as they are when all of them are over, or after the wait."""
    await run_in_threadpool(intake.follow_up, caller, [job.id for job in receipt.jobs])
    if receipt.batch_id is None:
        return Receipt(jobs=[await preferring.job(caller.org_id, receipt.jobs[0].id)])
    await preferring.met(lambda: intake.batch(caller, str(receipt.batch_id)), lambda batch: batch.is_over)
    return await run_in_threadpool(intake.again, caller, receipt)


def _find(caller: Caller, piece: str) -> str:
    with reading(caller.org_id) as connection:
        return lookup.job_id(connection, caller, piece)


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live
