"""The event log as Server-Sent Events (WHATWG HTML, 9.2), and tickets for the WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool

from gateway import tickets, topics
from gateway.auth import Asking, described, needs
from gateway.feed import Feed, Subscription
from gateway.openapi import problems
from gateway.stream import RECONNECT_MS
from gateway.vigil import Vigil
from shared.contracts.identity import Permission
from shared.contracts.live import MAX_TOPICS, Ticket
from shared.errors import InvalidInput
from shared.store.engine import DatabaseAway

log = structlog.get_logger()

router = APIRouter(
    prefix="/api/v1",
    tags=["events"],
    dependencies=[described, needs(Permission.READ)],
    responses=problems(401, 403, 422, 500, 503),
)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Messages", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
}


class TooManyTopics(InvalidInput):
    """More topics than one connection may follow."""


@router.get("/events", response_class=Response, responses={**problems(404, 409, 429), **_STREAM})
async def follow_topics(
    request: Request,
    caller: Asking,
    asked: Annotated[str, Query(alias="topics", max_length=4096, description="`jobs`, `job:ID`, `queues`, `system`.")],
    since: Annotated[int | None, Query(ge=0, le=2**62, description="The last id that was seen.")] = None,
    last_event_id: Annotated[str, Header(description="The same, as browsers send it when they reconnect.")] = "",
) -> Response:
    """Follow topics: how each is now, or what came after `since`, and then what happens, until you go."""
    request.app.state.audience.check(caller)
    found = [await run_in_threadpool(topics.find, caller, topic) for topic in _distinct(asked)]
    if last_event_id.isdecimal() and len(last_event_id) < 19:
        since = int(last_event_id)
    chunks = Vigil(request.scope["state"]).over(_chunks(request, caller, Subscription(tuple(found), since)))
    return EventSourceResponse(chunks, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


@router.post("/auth/ticket", status_code=201)
def issue_ticket(caller: Asking) -> Ticket:
    """A ticket that opens one WebSocket within 30 s: `/ws?ticket=…`."""
    return tickets.issue(caller)


def _distinct(asked: str) -> list[str]:
    found = list(dict.fromkeys(filter(None, asked.split(","))))
    if len(found) > MAX_TOPICS:
        raise TooManyTopics(f"A connection follows at most {MAX_TOPICS} topics.", cure="Follow `jobs`.")
    return found or [""]


async def _chunks(request: Request, caller: Asking, asked: Subscription) -> AsyncIterator[bytes]:
    feed = Feed(request.app.state.live, caller)
    feed.subscribe(asked)
    with request.app.state.audience.place(caller):
        yield format_sse_event(retry=RECONNECT_MS)
        try:
            async for one in feed.messages():
                yield format_sse_event(event=one.type, data_str=one.text, id=str(one.id) if one.id else None)
        except DatabaseAway as exc:
            log.warning("gateway.stream.ended", error=exc.code)
