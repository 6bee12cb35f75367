"""What happens now: one subscriber to the bus per gateway, fanned out to whoever watches a job.

Events on the bus are notifications. A kept event only wakes its watchers, who read the timeline; progress, which is
kept nowhere, travels along. A watch conflates: it holds the newest progress of each stage and no queue, so a slow
reader costs no memory and misses nothing that is kept. A bus that is away costs delay alone: watchers also poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from pydantic import ValidationError

from gateway.tail import Tail, until
from shared import bus
from shared.broker import refusals
from shared.broker.client import BrokerAway
from shared.contracts.events import Event
from shared.keyring import Unverified

log = structlog.get_logger()

READ_BLOCK_MS = 1000  # below the client's socket time-out of 5 s
CHECK_EVERY_S = 2.0
PING_TIMEOUT_S = 1.0


class Watch:
    """What one reader has not seen yet of one job."""

    def __init__(self) -> None:
        self._is_stale = False
        self._progress: dict[str, Event] = {}
        self._wake = asyncio.Event()

    def offer(self, event: Event) -> None:
        """Take note of an event. One that is kept overrules the progress of its stage that came before."""
        if event.id:
            self._is_stale = True
            self._progress.pop(event.stage, None)
        else:
            self._progress[event.stage] = event
        self._wake.set()

    def mistrust(self) -> None:
        """Events may have been lost: the timeline must be read, whatever was offered."""
        self._is_stale = True
        self._wake.set()

    async def wait(self, timeout_s: float) -> None:
        """Wait until something was offered, at most `timeout_s`."""
        await until(self._wake, timeout_s)
        self._wake.clear()

    @property
    def is_stale(self) -> bool:
        """Whether there may be kept events that were not read."""
        return self._is_stale

    def begin_reading(self) -> None:
        """What was offered so far is about to be read."""
        self._is_stale = False

    def take_progress(self) -> list[Event]:
        taken, self._progress = self._progress, {}
        return list(taken.values())


class Live:
    """The watches of this process, and the subscriber that feeds them. All of it lives in one event loop."""

    def __init__(self) -> None:
        self.tail = Tail()
        self.is_connected = False
        self._closing = asyncio.Event()
        self._watches: dict[str, set[Watch]] = {}

    @property
    def is_closing(self) -> bool:
        return self._closing.is_set()

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """A watch on one job for the block."""
        mine = Watch()
        self._watches.setdefault(job_id, set()).add(mine)
        try:
            yield mine
        finally:
            others = self._watches[job_id]
            others.discard(mine)
            if not others:
                del self._watches[job_id]

    def hear(self, event: Event) -> None:
        """Offer `event` to the watches of its job, and to the tail of the log."""
        for one in self._watches.get(event.job_id, ()):
            one.offer(event)
        if event.id:
            self.tail.look()
        else:
            self.tail.offer(event)

    def close(self) -> None:
        """Tell all streams, and `run`, to end."""
        self._closing.set()
        self._mistrust_all()
        self.tail.close()

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond `close`."""
        await until(self._closing, seconds)

    async def run(self) -> None:
        """Stay subscribed, and read the log for those who follow it, until `close`."""
        await asyncio.gather(
            self._stay_subscribed(),
            self.tail.run(lambda: self.is_connected),
            self.tail.watch(lambda: self.is_connected),
        )

    async def _stay_subscribed(self) -> None:
        was_told = False
        while not self.is_closing:
            try:
                async with self._subscribed() as broker:
                    log.info("live.bus.connected")
                    was_told = False
                    await self._until_lost(broker)
            except Exception as exc:  # noqa: BLE001  live events must come back by themselves, whatever the library raises
                if not was_told:
                    log.warning("live.bus.away", error=type(exc).__name__)
                was_told = True
            await self.pause(PING_TIMEOUT_S)

    @asynccontextmanager
    async def _subscribed(self) -> AsyncIterator[Any]:
        stream_sub = await asyncio.to_thread(_import_faststream)
        # Not "$": that means "from now" at every read, so whatever comes between two reads would be lost.
        last_id = await asyncio.to_thread(_newest_entry)
        broker = bus.broker()
        broker.subscriber(stream=stream_sub(bus.STREAM, last_id=last_id, polling_interval=READ_BLOCK_MS))(self._take)
        try:
            await broker.start()
            _adopt_logger()
            self.is_connected = True
            self._mistrust_all()
            yield broker
        finally:
            self.is_connected = False
            with contextlib.suppress(Exception):
                await broker.stop()

    async def _until_lost(self, broker: Any) -> None:  # noqa: ANN401  a RedisBroker, whose import costs half a second
        (subscriber,) = broker.subscribers
        while not self.is_closing:
            read = subscriber.last_id
            if not (await broker.ping(PING_TIMEOUT_S) and subscriber.running):
                raise ConnectionError("the bus does not answer")
            if _order(await asyncio.to_thread(_newest_entry)) < _order(read):
                raise ConnectionError("the stream was deleted or begun anew")
            await self.pause(CHECK_EVERY_S)

    async def _take(self, body: dict[str, Any]) -> None:
        try:
            self.hear(bus.opened(body))
        except Unverified as exc:
            log.warning("live.event.unverified", reason=exc.code)
            with contextlib.suppress(BrokerAway):
                await asyncio.to_thread(refusals.count, {exc.code: 1})
        except ValidationError as exc:
            log.warning("live.event.unreadable", errors=exc.error_count())

    def _mistrust_all(self) -> None:
        for watches in self._watches.values():
            for one in watches:
                one.mistrust()
        self.tail.look()


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _adopt_logger() -> None:
    # FastStream writes lines of its own form to stdout; and what it says of a lost connection, `live.bus.away` says.
    logger = logging.getLogger("faststream.access.redis")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.CRITICAL)


def _import_faststream() -> Any:  # noqa: ANN401  the class StreamSub
    from faststream.redis import StreamSub  # noqa: PLC0415  half a second that readiness does not wait for

    return StreamSub


def _newest_entry() -> str:
    newest: Any = bus.client().xrevrange(bus.STREAM, count=1)
    return newest[0][0].decode() if newest else "0-0"
