"""What one WebSocket may cost: uvicorn's protocol over websockets, with bounds that it leaves open.

The handshake is a request like others and bounded by `gateway.connection`; messages are bounded by `ws_max_size`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio.transports import BaseTransport
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from gateway import connection

CLOSE_TIMEOUT_S = 1.0  # for a peer's goodbye; then for what is still unsent: all within the time a stop may take
DRAIN_TIMEOUT_S = 30.0  # in which a peer must take something of what waits to be sent
PING_EVERY_S = 20.0
PONG_TIMEOUT_S = 20.0
PARTS = 64  # fragments of one message: empty ones have no size that could be limited
PINGS = 60  # of a peer, in `PINGS_IN_S`: each is answered at once, whether it reads the answers or not
PINGS_IN_S = 10.0


class BoundedSocket(WebSocketsSansIOProtocol):
    """A connection after its upgrade. Whoever does not read, or asks without end, is cut off."""

    is_idle = False  # it keeps its place

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = self.conn.logger = _silent  # `Edge` tells what matters; URLs have tickets
        self.close_timeout = CLOSE_TIMEOUT_S
        self._stalled: asyncio.TimerHandle | None = None
        self._pings = 0
        self._pings_since = 0.0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._pings_since = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        self._flows()
        super().connection_lost(exc)
        self.transport = _Gone()  # nothing that comes later may touch what the event loop has freed

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(DRAIN_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._flows()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:  # it came whole, so the library found no handshake in it, and says nothing
            why = connection.MalformedRequest("This is no handshake of a WebSocket.")
            self.transport.write(connection.answered(why))
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        if len(self.frames) > PARTS:
            self.transport.abort()

    def handle_ping(self) -> None:
        now = time.monotonic()
        if now - self._pings_since > PINGS_IN_S:
            self._pings, self._pings_since = 0, now
        self._pings += 1
        if self._pings > PINGS:
            self.transport.abort()
            return
        super().handle_ping()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._abort_later()

    def _abort_later(self) -> None:
        # A close waits until everything is sent, which a peer that does not read never lets happen.
        self.loop.call_later(2 * CLOSE_TIMEOUT_S, self._abort)

    def _abort(self) -> None:
        self.transport.abort()

    def _flows(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class _Gone(asyncio.Transport):
    """A connection that is no more."""

    def close(self) -> None:
        return

    def abort(self) -> None:
        return

    def is_closing(self) -> bool:
        return True

    def write(self, data: object) -> None:
        del data

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return


_silent = logging.getLogger("vedette.uvicorn.socket")
_silent.setLevel(logging.CRITICAL + 1)
