"""One WebSocket: what the client asks, and what it is told. A mistake is answered; a flood ends the connection."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway import topics
from gateway.auth import Caller
from gateway.feed import Feed, Subscription
from gateway.vigil import Vigil
from shared.contracts.live import MAX_TOPICS, LiveRequest, Op, Pong, Refused, Unsubscribed
from shared.errors import Infrastructure, Security, VedetteError
from shared.store import audit
from shared.store.engine import DatabaseAway, writing

log = structlog.get_logger()

SUBSCRIBE_TIMEOUT_S = 10.0  # from the handshake to the first topic
DRAIN_S = 20.0  # in which a client must take a message
BURST = 60  # messages of a client at once
RATE = 20.0  # and per second from then on
RESTART, LATER, FLOOD = 1012, 1013, 1008  # RFC 6455, 7.4.1, and IANA's registry
SLOW, FULL, EXPIRED, FORBIDDEN, SILENT = 4008, 4029, 4401, 4403, 4408
OPERATIONS = ", ".join(Op)

Send = Callable[[str], Awaitable[None]]


class Ended(Exception):
    """The gateway closes the connection, with this code of RFC 6455."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Pace:
    """A bucket of `BURST` messages that fills again at `RATE` per second."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at = time.monotonic()

    def take(self) -> None:
        """Count one message. Raises Ended when there were too many."""
        at = time.monotonic()
        self._left = min(BURST, self._left + (at - self._at) * RATE) - 1
        self._at = at
        if self._left < 0:
            raise Ended(FLOOD, "too many messages")


class Conversation:
    """The protocol of docs/live.md on an accepted WebSocket."""

    def __init__(self, socket: WebSocket, feed: Feed, vigil: Vigil) -> None:
        self._socket = socket
        self._feed = feed
        self._vigil = vigil

    async def hold(self) -> None:
        """Talk until either side ends it."""
        await until_first(self._socket, self._hear(), self._tell(), self._expect_topics())

    async def _hear(self) -> None:
        async for text in heard(self._socket):
            if text is None:
                await self._refuse("unsupported-message", "Messages are text.", "Send JSON as a text message.")
            else:
                await self._answer(text)

    async def _answer(self, text: str) -> None:
        try:
            asked = LiveRequest.model_validate_json(text)
        except ValidationError as exc:
            await self._refuse("malformed-message", _what_is_wrong(exc), f"`op` is one of: {OPERATIONS}.")
            return
        if asked.op is Op.PING:
            await self._send(Pong())
        elif asked.op is Op.UNSUBSCRIBE:
            gone = frozenset([await self._find(topic) or topic for topic in asked.topics])
            self._feed.unsubscribe(gone)
            await self._send(Unsubscribed(topics=sorted(gone)))
        else:
            await self._subscribe(asked)

    async def _subscribe(self, asked: LiveRequest) -> None:
        if not asked.topics:
            await self._refuse("malformed-message", "`topics` is empty.", "Name what you want to follow.")
        found = [topic for each in dict.fromkeys(asked.topics) if (topic := await self._find(each))]
        if len(self._feed.asked_topics.union(found)) > MAX_TOPICS:
            why = f"A connection follows at most {MAX_TOPICS} topics."
            await self._refuse("too-many-topics", why, "Follow `jobs`, or unsubscribe from some.")
        elif found:
            self._feed.subscribe(Subscription(tuple(dict.fromkeys(found)), asked.since))

    async def _find(self, topic: str) -> str | None:
        try:
            return await run_in_threadpool(topics.find, self._feed.caller, topic)
        except VedetteError as exc:
            said = "The database does not answer." if isinstance(exc, Infrastructure) else exc.message
            await self._send(Refused(code=exc.code, message=said, cure=exc.cure, topic=topic))
            return None

    async def _refuse(self, code: str, message: str, cure: str) -> None:
        await self._send(Refused(code=code, message=message, cure=cure))

    async def _send(self, message: BaseModel) -> None:
        await send(self._socket, message.model_dump_json())

    async def _tell(self) -> None:
        async for one in self._feed.messages():
            await self._vigil.look()
            await send(self._socket, one.text)
        raise Ended(RESTART, "the gateway stops; come back with since")

    async def _expect_topics(self) -> None:
        await asyncio.sleep(SUBSCRIBE_TIMEOUT_S)
        if not self._feed.asked_topics:
            raise Ended(SILENT, f"nothing was subscribed to within {SUBSCRIBE_TIMEOUT_S:.0f} s")
        await asyncio.Event().wait()


async def heard(socket: WebSocket) -> Any:  # noqa: ANN401  an async generator of str | None
    """Yield the text messages of a client, None for binary ones, until it is gone. Raises Ended for a flood."""
    pace = Pace()
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        pace.take()
        yield message.get("text")


async def send(socket: WebSocket, text: str) -> None:
    """Send a text message. Raises Ended for a client that does not take it in time."""
    try:
        async with asyncio.timeout(DRAIN_S):
            await socket.send_text(text)
    except TimeoutError:
        raise Ended(SLOW, "messages are not taken in time; come back with since") from None


async def until_first(socket: WebSocket, *parts: Coroutine[Any, Any, None]) -> None:
    """Run parts of a conversation until the first is over, and close the connection as it says."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ends = [exc for task in done if (exc := task.exception()) is not None]
    if ends:
        await close(socket, _ended(ends[0]))


def _ended(exc: BaseException) -> Ended:
    if isinstance(exc, Ended):
        return exc
    if isinstance(exc, DatabaseAway):
        return Ended(LATER, "the database does not answer; come back with since")
    if isinstance(exc, Security):
        return Ended(FORBIDDEN if exc.status == 403 else EXPIRED, "the credentials no longer hold")
    raise exc


async def close(socket: WebSocket, end: Ended) -> None:
    """Close a connection; one that does not take the goodbye is cut off."""
    caller = socket.state.caller
    log.info("gateway.socket.ended", code=end.code, reason=str(end), actor=caller.actor, org_id=caller.org_id)
    if end.code == FLOOD:
        await run_in_threadpool(_write_down, caller)
    with contextlib.suppress(OSError, TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(1.0):
            await socket.close(end.code, end.reason)


def _write_down(caller: Caller) -> None:
    with contextlib.suppress(DatabaseAway), writing(caller.org_id) as connection:
        audit.add(connection, caller.org_id, caller.actor, "socket.flooded", "socket", address=caller.address)


def _what_is_wrong(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part)[:64] for part in first["loc"])
    given = first["input"]
    named = f" {given[:64]!r}" if where and isinstance(given, str) else ""
    return f"{where}{named}: {first['msg']}".strip(": ")
