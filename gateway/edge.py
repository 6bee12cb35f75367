"""What is true of every answer: its headers, its line in the access log, a problem instead of a stack trace.

ASGI middleware, outermost first: `Edge`, `Hosts`, `Tickets`, `Auth`, `RateLimit`, `BodyLimit`, `Idempotency`.
"""

from __future__ import annotations

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import meters, problems
from shared import telemetry
from shared.errors import InvalidInput

log = structlog.get_logger()

BODY_LIMIT = 1024 * 1024  # bytes
BULK_LIMIT = 4 * 1024 * 1024  # bytes; 1000 targets of 4 KiB
BULK = frozenset(
    f"/api/v1/{each}"
    for each in ("jobs", "batches", "targets:check", "jobs:cancel", "dlq:replay", "dlq:discard", "analysis/submit-bulk")
)  # what many things are named to
SERVED = frozenset({"http", "websocket"})  # the types of scopes that the door looks at
PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|([A-Za-z0-9._-]+))(?::[0-9]{0,5})?"
)  # RFC 9110, 7.2; of names, DNS's
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Misdirected(InvalidInput):
    """The Host header names another server: a web page may be using the browser to reach this one (DNS rebinding)."""

    status = 421


class Edge:
    """Answers whatever was raised inside, and adds headers and a log line to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(MutableHeaders(raw=message["headers"]))
            await send(message)

        try:
            await self._app(scope, receive, finish)
        except Exception as exc:  # the outermost frame of a request
            if status:
                raise
            await problems.answer(exc)(scope, receive, finish)
        finally:
            took_s = time.monotonic() - started
            meters.request(scope, status, took_s)
            _log(scope, status, took_s)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, code = time.monotonic(), 0

        async def finish(message: Message) -> None:
            nonlocal code
            kind = message["type"]
            if kind == "websocket.http.response.start":
                code = message["status"]
                _complete(MutableHeaders(raw=message["headers"]))
            elif kind == "websocket.accept":
                code = 101
            elif kind == "websocket.close":
                code = message.get("code", 1000) if code else 403  # before it was accepted, it is an HTTP answer
            await send(message)

        try:
            await self._app(scope, receive, finish)
        except OSError:
            code = 1006  # the client is gone
        except Exception as exc:
            if code == 0:
                await problems.answer(exc)(scope, receive, finish)
            else:
                log.exception("gateway.socket.failed", error=type(exc).__name__)
                await finish({"type": "websocket.close", "code": 1011})
        finally:
            log.info("gateway.socket.done", path=_path(scope), code=code, took_s=round(time.monotonic() - started, 4))


class Hosts:
    """Refuses a Host header that is none of `allowed`; an empty set allows all."""

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in SERVED and self._allowed and not self._is_here(Headers(scope=scope)):
            raise Misdirected(
                "This gateway has another name.", cure="Set VEDETTE_GATEWAY_PUBLIC_URL to allow the name."
            )
        await self._app(scope, receive, send)

    def _is_here(self, headers: Headers) -> bool:
        given = headers.getlist("host")
        return len(given) == 1 and name(given[0]) in self._allowed


class BodyLimit:
    """Refuses bodies above `BODY_LIMIT`, or `BULK_LIMIT`, by what they declare or by what arrives."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = BULK_LIMIT if scope["path"] in BULK else BODY_LIMIT
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared[:20]) > limit:
            raise _too_large()
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large()
            return message

        await self._app(scope, counted, send)


def name(host: str) -> str:
    """Return the name in a Host header: without port, brackets and case. Empty for anything else than a Host header."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _too_large() -> HTTPException:
    # FastAPI turns other exceptions of a body's reading into a 400. The rest of the body is not read: hence the close.
    return HTTPException(413, headers={"Connection": "close"})


def _complete(headers: MutableHeaders) -> None:
    for header, value in HEADERS.items():
        headers.setdefault(header, value)
    if traceparent := telemetry.traceparent():
        headers["traceparent"] = traceparent


def _log(scope: Scope, status: int, took_s: float) -> None:
    write = log.debug if scope["path"] in PROBES else log.info
    write("gateway.request.done", method=scope["method"], path=_path(scope), status=status, took_s=round(took_s, 4))


def _path(scope: Scope) -> str:
    path: bytes = scope.get("raw_path", b"")
    return path.decode("ascii", "replace")  # still escaped, so that it cannot forge a line
