"""Dead letters: look at, replay, discard, put aside, class anew."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import StreamingResponse

from gateway import bulk, letters, lookup
from gateway.auth import Asking, described, needs
from gateway.headers import named
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page, Paged
from gateway.preference import Preferring
from gateway.routes.operations import FORECAST, accepted
from shared.contracts.dead_letter import (
    BulkReplay,
    DeadLetterGroup,
    DeadLetterState,
    DeadLetterView,
    Replay,
    Verdict,
)
from shared.contracts.identity import Permission
from shared.contracts.job import StageName
from shared.contracts.operation import Operation
from shared.contracts.triage import BulkDiscard, DeadLetterFilter, DeadLetterStats, Payload, Reclassify, Snooze
from shared.errors import FailureClass
from shared.store import dead_letters
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/dlq", tags=["dlq"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)

JSON_LINES = "application/jsonl"
_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One dead letter per line",
        "content": {JSON_LINES: {"schema": {"type": "string"}}},
        "headers": named("Content-Disposition"),
    }
}


def _filter(
    q: Annotated[str | None, Query(max_length=1000, description="`class:external stage:scan failed:<1h`")] = None,
    state: DeadLetterState | None = None,
    failure_class: Annotated[FailureClass | None, Query(alias="class")] = None,
    stage: StageName | None = None,
    group: Annotated[str | None, Query(max_length=64, description="A fingerprint.")] = None,
) -> DeadLetterFilter:
    return DeadLetterFilter(q=q, state=state, failure_class=failure_class, stage=stage, group=group)


Which = Annotated[DeadLetterFilter, Depends(_filter)]


@router.get("", dependencies=[needs(Permission.READ)])
def list_dead_letters(
    caller: Asking,
    which: Which,
    paging: Paged,
) -> Page[DeadLetterView]:
    """Dead letters, the last failed first."""
    with reading(caller.org_id) as connection:
        found = dead_letters.page(connection, caller.org_id, which, limit=paging.more, before=letters.place(paging))
    return paging.cut(found, *letters.ORDER)


@router.get("/groups", dependencies=[needs(Permission.READ)])
def list_groups(
    caller: Asking, which: Which, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> Page[DeadLetterGroup]:
    """Groups of equal failures, the one with the most open letters first."""
    with reading(caller.org_id) as connection:
        return Page(items=dead_letters.groups(connection, caller.org_id, which, limit=limit))


@router.get("/stats", dependencies=[needs(Permission.READ)])
def get_dead_letter_stats(caller: Asking) -> DeadLetterStats:
    """How many there are, by state, class, stage and reason."""
    with reading(caller.org_id) as connection:
        return dead_letters.stats(connection, caller.org_id)


@router.get("/export", response_class=Response, responses=_EXPORT, dependencies=[needs(Permission.PAYLOADS)])
def export_dead_letters(caller: Asking, which: Which) -> Response:
    """All dead letters that match, at most 100,000, as JSON lines."""
    found = letters.export(caller, which)
    first = next(found, b"")  # what is wrong with the query is told as a problem, before the answer begins
    headers = {"Content-Disposition": 'attachment; filename="dead-letters.jsonl"'}
    return StreamingResponse(chain([first], found), headers=headers, media_type=JSON_LINES)


@router.get("/{id}", responses=problems(404, 409), dependencies=[needs(Permission.READ)])
def get_dead_letter(caller: Asking, piece: Piece) -> DeadLetterView:
    """One dead letter."""
    with reading(caller.org_id) as connection:
        return dead_letters.get(connection, lookup.letter_id(connection, caller, piece))


@router.get("/{id}/payload", responses=problems(404, 409), dependencies=[needs(Permission.PAYLOADS)])
def get_dead_letter_payload(caller: Asking, piece: Piece) -> Payload:
    """The message as it was sent."""
    with reading(caller.org_id) as connection:
        return dead_letters.payload(connection, lookup.letter_id(connection, caller, piece), caller.org_id)


@router.post("/{id}:replay", responses=problems(400, 404, 409, 415), dependencies=[needs(Permission.OPERATE)])
def replay_dead_letter(caller: Asking, piece: Piece, how: Replay | None = None) -> Verdict:
    """Replay one dead letter at once. A refusal is a 409 whose `code` says why."""
    return letters.replay(caller, piece, how or Replay())


@router.post("/{id}:classify", responses=problems(400, 404, 409, 415), dependencies=[needs(Permission.OPERATE)])
def classify_dead_letter(caller: Asking, piece: Piece, asked: Reclassify) -> DeadLetterView:
    """Give it another class; with `learn`, a rule gives it to all later ones of its fingerprint."""
    return letters.classify(caller, piece, asked)


@router.post("/{id}:snooze", responses=problems(400, 404, 409, 415), dependencies=[needs(Permission.OPERATE)])
def snooze_dead_letter(caller: Asking, piece: Piece, asked: Snooze) -> DeadLetterView:
    """Put it aside until then."""
    return letters.snooze(caller, piece, asked)


@router.post(
    ":replay",
    status_code=202,
    response_model=Operation,
    responses={**FORECAST, **problems(400, 409, 413, 415)},
    dependencies=[needs(Permission.OPERATE)],
)
async def replay_dead_letters(caller: Asking, asked: BulkReplay, preferring: Preferring) -> Response:
    """Replay many, as an operation. A dry run says what it would do."""
    begin = letters.forecast if asked.dry_run else bulk.replay
    return await accepted(lambda: begin(caller, asked), caller, preferring)


@router.post(
    ":discard",
    status_code=202,
    response_model=Operation,
    responses={**FORECAST, **problems(400, 409, 413, 415)},
    dependencies=[needs(Permission.OPERATE)],
)
async def discard_dead_letters(caller: Asking, asked: BulkDiscard, preferring: Preferring) -> Response:
    """Discard many, as an operation. Another number than `expect` is a 409 that names the right one."""
    return await accepted(lambda: bulk.discard(caller, asked), caller, preferring)
