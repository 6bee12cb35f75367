"""What one connection may cost before anybody has said who they are: bytes, headers, seconds and a place.

uvicorn bounds none of them with httptools: a head without end was kept whole, a half-open connection for ever. The
bytes are counted as they come from the socket, since the parser shows a header only when it is complete.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import structlog
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway import problems
from gateway.edge import HEADERS
from shared.errors import Infrastructure, InvalidInput, VedetteError

log = structlog.get_logger()

HEAD_LIMIT = 64 * 1024  # bytes of a request's head, and between two parts of a body; one `PIECE` more at most
HEADER_LIMIT = 100  # headers of a request, trailers included
HEAD_TIMEOUT_S = 10.0  # from the start of a connection, or the first byte of a later request, to the end of its head
BODY_TIMEOUT_S = 30.0  # from the end of a head to the end of the body: 4 MiB at 140 KB/s
DRAIN_TIMEOUT_S = 30.0  # in which a client must take something of what waits to be sent
PIPELINE_LIMIT = 16  # requests that wait for the answer to one before them
PIECE = 16 * 1024  # bytes the parser is given before its state is looked at
LINGER_S = 1.0  # in which a client still sending can read its refusal: a close over unread bytes is a reset
MOST = 1000  # connections, streams of events included
_OWN_FILES = 128  # for the database, the broker, the bus and the modules


class MalformedRequest(InvalidInput):
    """These bytes are not HTTP."""

    status = 400


class RequestTimeout(InvalidInput):
    """A head or a body took too long to arrive."""

    status = 408


class HeadersTooLarge(InvalidInput):
    """A head, or what stands between the parts of a body, has more bytes or more headers than any client needs."""

    status = 431


class TooManyConnections(Infrastructure):
    """Every place is taken, by connections that all have a request in work."""


def places() -> int:
    """Return how many connections this process can hold: what its limit of open files leaves, at most `MOST`."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if files == resource.RLIM_INFINITY else max(16, min(MOST, files - _OWN_FILES))


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 over httptools, with the limits of this module. Without a place, the longest idle one goes."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._places = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn's own check leaves connections without a request, and answers in text
        self._deadline: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._refusal: VedetteError | None = None
        self._is_refused = False
        self._in_body = False
        self._is_upgraded = False
        self._stalled: asyncio.TimerHandle | None = None
        self._uncounted = 0  # bytes since a request began, its head ended or a part of its body came
        self.idle_since = self.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is in work: none came, or only a part of its head."""
        return not self._in_body and self._is_quiet() and not self._is_refused and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._arm(HEAD_TIMEOUT_S)
        if self._places is None or len(self.connections) <= self._places:
            return
        others = [other for other in self.connections if isinstance(other, BoundedConnection) and other is not self]
        leaving = min((c for c in others if c.is_idle), key=lambda c: c.idle_since, default=self)
        leaving.refuse(
            TooManyConnections("The gateway has no place for another connection.", cure="Try again in a moment.")
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._flows()
        super().connection_lost(exc)
        self._disconnect()  # uvicorn tells the last of several pipelined requests only

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            if self._is_refused or self._is_upgraded or self.transport.is_closing():
                return  # a client does not speak WebSocket before the answer to its handshake
            if self._deadline is None:
                self._arm(HEAD_TIMEOUT_S)
            piece = data[start : start + PIECE]
            self._uncounted += len(piece)
            super().data_received(piece)
            self._check()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(DRAIN_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._flows()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, but not while an answer is on its way over it."""
        if not self._is_quiet():
            self.refuse(MalformedRequest("A WebSocket begins on a connection without other requests."))
            return
        self._is_upgraded = True
        self._in_body = False
        self._disarm()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._uncounted = 1  # at the least: where in its piece it began is not told
        if self._deadline is None:
            self._arm(HEAD_TIMEOUT_S)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > HEADER_LIMIT:
            self._refusal = _too_large()
            raise self._refusal  # ends the parsing, and uvicorn calls send_400_response

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_body, self._uncounted = True, 0
        self._arm(BODY_TIMEOUT_S)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._uncounted = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False
        self._disarm()

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser stopped at, as a problem instead of uvicorn's text."""
        self.refuse(self._refusal or MalformedRequest(msg), linger_s=LINGER_S)

    def refuse(self, why: VedetteError, linger_s: float = 0) -> None:
        """Answer with `why` if no other answer stands in the way, and close."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._disarm()
        self._unset_keepalive_if_required()
        log.info("gateway.connection.refused", error=why.code, client=self.client and self.client[0])
        if self._is_answerable():
            self.transport.write(answered(why))
        self._disconnect()
        if linger_s and self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(linger_s, self.transport.abort)
        else:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _disconnect(self) -> None:
        for cycle in (self._running, self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()

    def _flows(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _check(self) -> None:
        if self._is_upgraded:
            return
        if self._uncounted > HEAD_LIMIT:
            self.refuse(_too_large(), linger_s=LINGER_S)
        elif len(self.pipeline) > PIPELINE_LIMIT:
            self.transport.close()

    def _is_answerable(self) -> bool:
        if self._in_body:
            return not self.pipeline and not self.cycle.response_started
        return self._is_quiet()

    def _is_quiet(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _arm(self, timeout_s: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(timeout_s, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        if not self._in_body and not self._uncounted:
            self.transport.close()  # it never asked, as the spare connections of browsers
            return
        if not self._in_body and not self._is_quiet():
            self._arm(HEAD_TIMEOUT_S)  # the answer before it goes on, and what came of the next head is bounded
            return
        part, limit_s = ("body", BODY_TIMEOUT_S) if self._in_body else ("head", HEAD_TIMEOUT_S)
        self.refuse(
            RequestTimeout(
                f"The {part} of the request was not complete after {limit_s:.0f} s.", cure="Send it without pauses."
            )
        )


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"The request has more than {HEADER_LIMIT} headers, or they have more than {HEAD_LIMIT // 1024} KiB.",
        cure="Send fewer and shorter headers.",
    )


def answered(why: VedetteError) -> bytes:
    """Return `why` as the bytes of an answer, after which the connection is closed."""
    response = problems.answer(why)
    response.headers.update({**HEADERS, "Connection": "close"})
    lines = [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)])
