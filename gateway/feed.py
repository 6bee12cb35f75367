"""What one connection is told, whatever carries it: snapshots, then events in the order of the log, changes, beats.

A feed has a place and no queue. Kept events are read from the row of `Tail`, or from the log when the connection fell
behind it; of progress and of queues it holds the newest. So what it costs does not grow with how slow its reader is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from gateway import topics
from gateway.auth import Caller
from gateway.live import Live
from gateway.tail import Batch, Told, until
from shared.contracts.events import Event
from shared.contracts.job import JobView
from shared.contracts.live import Beat, Changed, JobsNow, Reset, Snapshot, Subscribed
from shared.errors import NotFound
from shared.ids import now
from shared.store import eventlog
from shared.store.engine import DatabaseAway, reading
from shared.store.eventlog import Entry, Place, Stretch

BEAT_S = 15.0  # silence after which a beat is sent; proxies close after 30 to 60 s
PAGE = 500  # events that one who is behind reads at once
MOST_HELD = 1000  # stages whose newest event is remembered
PATIENCE_S = 30.0  # for a database that is away
AWAY_S = 1.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Sent:
    """One message on its way. id: of the log, 0 for none."""

    type: str
    text: str
    id: int = 0


@dataclass(frozen=True)
class Subscription:
    topics: tuple[str, ...]
    since: int | None


def sent(message: BaseModel, event_id: int = 0) -> Sent:
    """Return a message of `shared.contracts.live` as it travels."""
    return Sent(getattr(message, "type", ""), message.model_dump_json(), event_id)


class Feed:
    """Used by one connection, in the event loop of `live`."""

    def __init__(self, live: Live, caller: Caller) -> None:
        self.caller = caller
        self.topics: frozenset[str] = frozenset()
        self._live = live
        self._asked: deque[Subscription] = deque()
        self._number = -1  # of the batch that was read last
        self._place: Place | None = None  # after that batch
        self._seen: dict[str, int] = {}  # numbers of the boards, by topic
        self._progress: dict[tuple[str, str], Event] = {}
        self._last_of: dict[tuple[str, str], Event] = {}  # kept ones, by job and stage
        self._wake = asyncio.Event()
        self._beat_at = time.monotonic() + BEAT_S

    def subscribe(self, subscription: Subscription) -> None:
        """Have `messages` begin with these topics, as `topics.find` returned them."""
        self._asked.append(subscription)
        self.wake()

    def unsubscribe(self, gone: frozenset[str]) -> None:
        self.topics -= gone
        kept = [Subscription(tuple(t for t in each.topics if t not in gone), each.since) for each in self._asked]
        self._asked = deque(each for each in kept if each.topics)

    @property
    def asked_topics(self) -> frozenset[str]:
        """All topics, those that have not begun included."""
        return self.topics.union(*(each.topics for each in self._asked))

    @property
    def org_id(self) -> str:
        return self.caller.org_id

    def wake(self) -> None:
        self._wake.set()

    def offer(self, progress: Event) -> None:
        """Hold progress of a stage until it is told, or newer comes."""
        if progress.org_id != self.caller.org_id or not topics.told_of(self.topics, progress.job_id):
            return
        key = (progress.job_id, progress.stage)
        kept = self._last_of.get(key)
        if kept is not None and progress.at <= kept.at:
            return  # the log was ahead of the bus: this would turn the stage back
        _hold(self._progress, key, progress)
        self.wake()

    async def messages(self) -> AsyncIterator[Sent]:
        """Yield what there is to tell, until the gateway closes. Raises DatabaseAway when it stays away."""
        with self._live.tail.reader(self):
            while not self._live.is_closing:
                async for one in self._news():
                    self._beat_at = time.monotonic() + BEAT_S
                    yield one
                if time.monotonic() >= self._beat_at:
                    self._beat_at = time.monotonic() + BEAT_S
                    yield self._beat()
                await self._wait()

    async def _wait(self) -> None:
        await until(self._wake, max(self._beat_at - time.monotonic(), 0.0))
        self._wake.clear()

    def _beat(self) -> Sent:
        here = self._place.id if self._place else 0
        return sent(Beat(id=here, at=now()), here)

    async def _news(self) -> AsyncIterator[Sent]:
        if self._asked and self._place is None:
            await self._live.tail.fresh()  # so that little of what the snapshot shows is told again
        while self._asked and (end := self._live.tail.end) is not None:
            async for one in self._begin(self._asked.popleft(), end):
                yield one
        while self._place is not None and (batch := self._live.tail.after(self._number)) is not None:
            for told in batch.told:
                for one in self._told(told.event, told):
                    yield one
            self._number, self._place = batch.number, batch.place
        async for one in self._behind():
            yield one
        for one in self._others():
            yield one

    async def _begin(self, asked: Subscription, end: Batch) -> AsyncIterator[Sent]:
        if self._place is None:
            self._number, self._place = end.number, end.place
        yield sent(Subscribed(topics=list(asked.topics)))
        fresh = frozenset(asked.topics)
        self.topics |= fresh
        for state in _STATES & fresh:
            self._seen.pop(state, None)
        self._live.tail.look_at_boards()
        start = None
        if asked.since is not None and fresh - _STATES:
            start = await self._patiently(lambda: _place_of(asked.since or 0))
        async for one in self._resume(start, self._place, fresh) if start else self._anew(fresh, asked.since):
            yield one

    async def _anew(self, fresh: frozenset[str], since: int | None) -> AsyncIterator[Sent]:
        mine = sorted(fresh - _STATES)
        if since is not None and mine:
            yield sent(Reset(topics=mine))
        for topic in mine:
            if (shown := await self._patiently(lambda topic=topic: _shown(self.caller, topic))) is not None:  # type: ignore[misc]  # a default binds it
                here = self._place.id if self._place else 0
                yield sent(Snapshot(topic=topic, id=here, data=shown), here)

    async def _resume(self, start: Place, end: Place, fresh: frozenset[str]) -> AsyncIterator[Sent]:
        """Yield the events of `fresh` topics on a stretch of the log, in pages, at the pace of the reader."""
        job_ids = [topic.removeprefix(topics.JOB) for topic in fresh if topic.startswith(topics.JOB)]
        only = job_ids[0] if len(job_ids) == 1 and topics.JOBS not in fresh else ""
        after = 0
        while True:
            read = Reading(self.caller.org_id, Stretch(start, end), after, only)
            page = await self._patiently(read)
            for entry in page:
                after = max(after, entry.event.id)
                for one in self._told(entry.event, Told(entry.event), fresh):
                    yield one
            if len(page) < PAGE:
                return

    async def _behind(self) -> AsyncIterator[Sent]:
        """Yield from the log what the row no longer has, and be in the row again."""
        end = self._live.tail.end
        if end is None or self._place is None or self._number >= end.number:
            return
        start, self._number, self._place = self._place, end.number, end.place
        is_elsewhere = start.xmax > end.place.xmax  # another cluster took the place of the database
        async for one in (
            self._anew(self.topics, start.id) if is_elsewhere else self._resume(start, end.place, self.topics)
        ):
            yield one
        self.wake()

    def _told(self, event: Event, told: Told, fresh: frozenset[str] | None = None) -> Iterator[Sent]:
        if event.org_id != self.caller.org_id:
            return
        mine = topics.told_of(self.topics if fresh is None else fresh, event.job_id)
        if not mine:
            return
        if event.id:
            key = (event.job_id, event.stage)
            self._progress.pop(key, None)
            _hold(self._last_of, key, event)
        text = f'{{"type":"event","id":{event.id},"topics":{json.dumps(mine)},"event":{told.json}}}'
        yield Sent("event", text, event.id)

    def _others(self) -> Iterator[Sent]:
        progress, self._progress = self._progress, {}
        for event in progress.values():
            yield from self._told(event, Told(event))
        boards = self._live.tail.boards
        for topic in sorted(_STATES & self.topics):
            seen = self._seen.get(topic, -1)
            if boards.number > max(seen, 0):
                data = (
                    boards.queues_since(seen)
                    if topic == topics.QUEUES
                    else boards.system_since(seen, self.caller.org_id)
                )
                if data is not None:
                    kind = Snapshot(topic=topic, id=0, data=data) if seen < 0 else Changed(topic=topic, data=data)
                    yield sent(kind)
                    self._seen[topic] = boards.number

    async def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await run_in_threadpool(ask)
            except DatabaseAway:
                if self._live.is_closing or time.monotonic() > until:
                    raise
                await self._live.pause(AWAY_S)


@dataclass(frozen=True)
class Reading:
    """One page of a stretch of the log, as an organisation sees it."""

    org_id: str
    stretch: Stretch
    after: int
    job_id: str

    def __call__(self) -> list[Entry]:
        with reading(self.org_id) as connection:
            return eventlog.between(connection, self.stretch, self.after, PAGE, self.job_id)


def _place_of(since: int) -> Place | None:
    with reading() as connection:  # of all organisations: a place in the log is none's
        return eventlog.place_of(connection, since, eventlog.here(connection))


def _shown(caller: Caller, topic: str) -> JobsNow | JobView | None:
    try:
        return topics.jobs_now(caller) if topic == topics.JOBS else topics.job_now(caller, topic)
    except NotFound:
        return None  # it was deleted just now


def _hold(held: dict[tuple[str, str], Event], key: tuple[str, str], event: Event) -> None:
    held.pop(key, None)  # to the end: what is old goes first
    held[key] = event
    if len(held) > MOST_HELD:
        del held[next(iter(held))]


_STATES = frozenset({topics.QUEUES, topics.SYSTEM})
