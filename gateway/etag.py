"""Entity tags (RFC 9110, 8.8.3): a GET whose answer the client has already is answered by 304, without a body.

ASGI middleware, innermost. The tag is that of the answer's bytes, unless the route gave another.
"""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.contracts.job import JobView
from shared.errors import InvalidInput

MAX_BODY = 4 * 1024 * 1024  # bytes of an answer that is tagged; longer ones and streams go as they come
_NOT_ON_304 = ("content-type", "content-length")


class PreconditionFailed(InvalidInput):
    """`If-Match` names another state of the thing than it is in."""

    status = 412


def tag(content: bytes) -> str:
    """Return the entity tag of these bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def of_job(job: JobView) -> str:
    """Return the tag of a job: it changes with the job and the reason why it waits, not with the words for it."""
    reason = job.waiting.reason if job.waiting else ""
    return tag(job.model_dump_json(exclude={"waiting"}).encode() + reason.encode())


def check(given: str, current: str) -> None:
    """Raise PreconditionFailed where `If-Match` is given and names other tags than the current one."""
    if given and given.strip() != "*" and current not in _tags(given):
        raise PreconditionFailed("It was changed since you read it.", cure="Read it again, and send its new ETag.")


class ETag:
    """Tags the answers to GET, and answers 304 to who has them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            send = _Tagging(Headers(scope=scope).get("if-none-match", ""), send)
        await self._app(scope, receive, send)


class _Tagging:
    """Holds a short JSON answer until it is whole."""

    def __init__(self, known: str, send: Send) -> None:
        self._known = known
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_taggable(message):
            self._start = message
            return
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            await self._end(self._start)

    async def _end(self, start: Message) -> None:
        body = bytes(self._body)
        headers = MutableHeaders(raw=start["headers"])
        current = headers.setdefault("etag", tag(body))
        if self._known.strip() == "*" or current in _tags(self._known):
            for name in _NOT_ON_304:
                del headers[name]
            start, body = {**start, "status": 304}, b""
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _is_taggable(message: Message) -> bool:
    headers = Headers(raw=message["headers"])
    length = headers.get("content-length", "")
    is_short = length.isdigit() and int(length) <= MAX_BODY
    return message["status"] == 200 and is_short and headers.get("content-type", "").startswith("application/json")


def _tags(given: str) -> set[str]:
    # If-None-Match compares weakly, and no tag of ours holds a comma.
    return {each.strip().removeprefix("W/") for each in given.split(",")}
