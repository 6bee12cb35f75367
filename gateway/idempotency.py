"""`Idempotency-Key` on every POST: a request that comes again gets the answer that it got, and does nothing.

ASGI middleware behind `Auth` and `BodyLimit`; handlers that make something write it by `note`, or the whole answer by
`answered`, in their transaction.
Kept are answers that would be the same again: not 408, 413, 429 and 5xx.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeVar

import structlog
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import problems
from gateway.auth import Caller
from shared.errors import Infrastructure, InvalidInput
from shared.store import idempotency as requests
from shared.store.engine import Connection, writing
from shared.store.idempotency import MAX_BODY, Answer, Claim

log = structlog.get_logger()

Told = TypeVar("Told", bound=BaseModel)

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
SAID_AGAIN = ("content-type", "location", "retry-after", "preference-applied", "www-authenticate", "allow")
_FORM = re.compile(r"[\x21-\x7e]{1,255}")
_PASSING = frozenset({408, 413, 429})
_claim: ContextVar[Claim | None] = ContextVar("claim", default=None)


class KeyMalformed(InvalidInput):
    """The Idempotency-Key is none, or there are several."""

    status = 400

    @property
    def code(self) -> str:
        return "idempotency-key-malformed"


def note(connection: Connection, made: Sequence[str]) -> None:
    """Write what this request makes, in the transaction that makes it; without a key, nothing. Raises ClaimLost."""
    if held := _claim.get():
        requests.note(connection, held, made)


def answered(connection: Connection, told: Told, status: int = 201) -> Told:
    """Write the answer of this request in the transaction that makes what it tells of, and return it.

    Raises ClaimLost.
    """
    if held := _claim.get():
        body = told.model_dump_json().encode()
        requests.answer(connection, held, Answer(status, {"content-type": "application/json"}, body))
    return told


def made() -> Sequence[str]:
    """Return what this request made when it came before, where its answer was lost; else nothing."""
    held = _claim.get()
    return held.made if held else ()


class Idempotency:
    """Answers POST requests with a key once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        given = Headers(scope=scope).getlist(HEADER) if scope["type"] == "http" and scope["method"] == "POST" else []
        if not given or caller is None:
            await self._app(scope, receive, send)
            return
        if len(given) > 1 or not _FORM.fullmatch(given[0]):
            raise KeyMalformed("An Idempotency-Key is one text of 1 to 255 visible ASCII characters.")
        body = await _whole(receive)
        if body is None:
            return  # the client is gone
        claimed = await run_in_threadpool(_claimed, caller, given[0], _digest(scope, body))
        if isinstance(claimed, Answer):
            headers = {**claimed.headers, REPLAYED: "true"}
            await Response(claimed.body, claimed.status, headers)(scope, receive, send)
            return
        token = _claim.set(claimed)
        try:
            await self._answered(claimed, scope, _again(body, receive), send)
        finally:
            _claim.reset(token)

    async def _answered(self, held: Claim, scope: Scope, receive: Receive, send: Send) -> None:
        answering = _Answering(held, send)
        try:
            await self._app(scope, receive, answering)
        except Exception as exc:  # answered here as `Edge` would, since that answer is kept too
            if answering.is_begun:
                raise
            await problems.answer(exc)(scope, receive, answering)
        finally:
            if not answering.is_over:
                await run_in_threadpool(_tried, held, requests.release)


class _Answering:
    """Sends an answer on, and keeps it before its last piece is sent."""

    def __init__(self, held: Claim, send: Send) -> None:
        self.is_begun = self.is_over = False
        self._held = held
        self._send = send
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: bytearray | None = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_begun = True
            self._status = message["status"]
            said = Headers(raw=message["headers"])
            self._headers = {name: said[name] for name in SAID_AGAIN if name in said}
            if self._held.made:
                message = {**message, "headers": [*message["headers"], (REPLAYED.encode(), b"true")]}
        elif message["type"] == "http.response.body":
            self._take(message.get("body", b""))
            if not message.get("more_body"):
                self.is_over = True
                await run_in_threadpool(_tried, self._held, self._end)
        await self._send(message)

    def _take(self, piece: bytes) -> None:
        if self._body is not None:
            self._body += piece
            if len(self._body) > MAX_BODY:
                self._body = None

    def _end(self, connection: Connection, held: Claim) -> None:
        if self._status >= 500 or self._status in _PASSING:
            requests.release(connection, held)
        else:
            body = None if self._body is None else bytes(self._body)
            requests.keep(connection, held, Answer(self._status, self._headers, body))


def _claimed(caller: Caller, key: str, request_hash: str) -> Claim | Answer:
    with writing(caller.org_id) as connection:
        return requests.claim(connection, caller.org_id, caller.identity, key, request_hash)


def _tried(held: Claim, change: Callable[[Connection, Claim], None]) -> None:
    """Change the row; where the store is away the answer goes out all the same, and the row frees itself."""
    try:
        with writing(held.org_id) as connection:
            change(connection, held)
    except Infrastructure as exc:
        log.warning("gateway.idempotency.not_kept", error=exc.code)


async def _whole(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what hands `body` out once more, and after it what comes next: that the client is gone."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given


def _digest(scope: Scope, body: bytes) -> str:
    kind = Headers(scope=scope).get("content-type", "")
    parts = (scope["method"].encode(), scope["path"].encode(), scope.get("query_string", b""), kind.encode(), body)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
