"""The end of the event log, read once per gateway for all who follow it.

It is kept as a row of batches. Readers go along it at their own pace, so none has a queue of its own: one that falls
behind the row reads the log itself, from the place of the last batch it had to the place of the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import structlog

from gateway.boards import Boards
from gateway.topics import QUEUES, SYSTEM
from shared.contracts.events import Event
from shared.store import eventlog
from shared.store.engine import DatabaseAway, reading
from shared.store.eventlog import Entry, Place, Stretch

log = structlog.get_logger()

HELD = 10_000  # events in the row, about 10 MB
POLL_S = 1.0  # when the bus is away
POLL_CONNECTED_S = 5.0  # when it is there: an event of it may be lost all the same
GATHER_S = 0.02  # between two reads, so that what happens at once is read at once
LOOK_EVERY_S = 1.0  # at queues and workers
AWAY_S = 1.0  # between two tries to reach a database that is away
FRESH_TIMEOUT_S = 2.0


class Reader(Protocol):
    """Whoever follows the log."""

    topics: frozenset[str]

    @property
    def org_id(self) -> str: ...

    def wake(self) -> None:
        """There is something new, or the gateway closes."""

    def offer(self, progress: Event) -> None:
        """A stage got on."""


class Told:
    """An event with its JSON, which is made once for all readers."""

    def __init__(self, event: Event) -> None:
        self.event = event

    @cached_property
    def json(self) -> str:
        return self.event.model_dump_json()


@dataclass(frozen=True)
class Batch:
    """What one reading of the log brought. place: what somebody has who read up to its end."""

    number: int
    told: Sequence[Told]
    place: Place


class Tail:
    """The row of batches. All of it lives in one event loop; nothing is read while nobody follows."""

    def __init__(self) -> None:
        self.readers: set[Reader] = set()
        self.boards = Boards()
        self.end: Batch | None = None  # None until it was read for the first time
        self._row: deque[Batch] = deque()
        self._held = 0
        self._wake = asyncio.Event()
        self._look = asyncio.Event()
        self._is_closing = False
        self._waiting: list[asyncio.Future[None]] = []  # for a reading that has not begun

    @contextmanager
    def reader(self, one: Reader) -> Iterator[None]:
        """Wake `one` for the block."""
        self.readers.add(one)
        self.look()
        try:
            yield
        finally:
            self.readers.discard(one)

    def look(self) -> None:
        """There may be something new in the log."""
        self._wake.set()

    async def fresh(self) -> None:
        """Wait for a reading of the log that begins now, or some seconds for a database that is away."""
        read = asyncio.get_running_loop().create_future()
        self._waiting.append(read)
        self.look()
        await asyncio.wait({read}, timeout=FRESH_TIMEOUT_S)

    def offer(self, progress: Event) -> None:
        """Tell the readers that a stage got on."""
        for one in self.readers:
            one.offer(progress)

    def after(self, number: int) -> Batch | None:
        """Return the batch after that number. None: it is the newest, or the row no longer has what is next."""
        place = number + 1 - self._row[0].number if self._row else -1
        return self._row[place] if 0 <= place < len(self._row) else None

    def look_at_boards(self) -> None:
        """Somebody wants to know how queues or workers are, now."""
        self._look.set()

    def close(self) -> None:
        self._is_closing = True
        self._wake.set()
        self._look.set()
        self._wake_all()

    async def run(self, is_connected: Callable[[], bool]) -> None:
        """Read on whenever there may be something new, until `close`. is_connected: whether the bus would say so."""
        while not self._is_closing:
            await until(self._wake, POLL_CONNECTED_S if is_connected() else POLL_S)
            self._wake.clear()
            if not self.readers:
                self._forget()
                continue
            waiting, self._waiting = self._waiting, []
            try:
                self._take(*await asyncio.to_thread(_read, self.end.place if self.end else None))
            except DatabaseAway as exc:
                log.warning("live.log.away", error=exc.code)
                self._waiting += waiting
                await asyncio.sleep(AWAY_S)
            else:
                for one in waiting:
                    one.set_result(None)
                await asyncio.sleep(GATHER_S)

    async def watch(self, is_connected: Callable[[], bool]) -> None:
        """Look at queues and workers while somebody watches them, until `close`."""
        while not self._is_closing:
            watching = [one for one in self.readers if not one.topics.isdisjoint((QUEUES, SYSTEM))]
            if watching:
                orgs = {one.org_id for one in watching if SYSTEM in one.topics}
                before = self.boards.number
                await asyncio.to_thread(self.boards.look, orgs, bus_answers=is_connected())
                for one in watching if self.boards.number > before else ():
                    one.wake()
            await until(self._look, LOOK_EVERY_S)
            self._look.clear()

    def _take(self, found: Sequence[Entry] | None, place: Place) -> None:
        before = self.end
        if before is not None and found == []:
            self.end = dataclasses.replace(before, place=place)
            return
        number = before.number + 1 if before else 0
        if found is None or len(found) > HELD:
            self._row.clear()  # too much for the row, or nothing that continues it: all must read for themselves
            self._held, number, found = 0, number + 1, []
        self.end = Batch(number, [Told(entry.event) for entry in found], place)
        self._row.append(self.end)
        self._held += len(found)
        while self._held > HELD:
            self._held -= len(self._row.popleft().told)
        self._wake_all()

    def _forget(self) -> None:
        self.end = None
        self._row.clear()
        self._held = 0

    def _wake_all(self) -> None:
        for one in self.readers:
            one.wake()


async def until(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for an event, at most `timeout_s`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):  # `wait_for` of Python 3.11 may keep a cancellation to itself
            await event.wait()


def _read(start: Place | None) -> tuple[list[Entry] | None, Place]:
    """Return what came after `start`, and the place after it; None instead where nothing continues it."""
    with reading() as connection:
        end = eventlog.here(connection)
        if start is None or end.xmax < start.xmax:  # the first time, or another cluster
            return None, end
        return eventlog.between(connection, Stretch(start, end), 0, HELD + 1), end
