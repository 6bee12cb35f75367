"""The events of one job as Server-Sent Events (WHATWG HTML, 9.2), from any event on until the job is over.

The timeline is the truth: every kept event is read from it, in its order, exactly once. The bus says when to look.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import suppress

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool

from gateway.live import Live, Watch
from shared.contracts.events import Event
from shared.contracts.job import JobView
from shared.store import eventlog, jobs
from shared.store.engine import DatabaseAway, reading
from shared.store.eventlog import Place, Stretch

log = structlog.get_logger()

BEAT_S = 15.0  # a comment after so much silence; proxies close after 30 to 60 s
POLL_S = 3.0  # when the bus is away
POLL_CONNECTED_S = 10.0  # when it is there: an event of it may be lost all the same
PAGE = 1000  # events per read
RECONNECT_MS = 2000
AWAY_S = 1.0  # between two tries to reach a database that is away


async def events(live: Live, org_id: str, job_id: str, after: int) -> AsyncIterator[bytes]:
    """Yield what happened to the job after the event `after` and what happens, until it is over or `live` closes."""
    yield format_sse_event(retry=RECONNECT_MS)
    with live.watch(job_id) as watch:  # before the first read, so that nothing falls between
        reader = _Reader(live, watch, org_id, job_id, after)
        while not live.is_closing:
            for event in await reader.kept():
                yield format_sse_event(event=event.type, data_str=event.model_dump_json(), id=str(event.id))
            if reader.is_over:
                return
            async for chunk in reader.meanwhile():
                yield chunk


async def finished(live: Live, org_id: str, job_id: str, timeout_s: float) -> JobView:
    """Return the job when it is over, or as it is after `timeout_s`: as it was read last where the database is away."""
    until = time.monotonic() + timeout_s
    with live.watch(job_id) as watch:
        view = await run_in_threadpool(_view, org_id, job_id)
        while True:
            left_s = until - time.monotonic()
            if view.state.is_terminal or left_s <= 0 or live.is_closing:
                return view
            await watch.wait(min(left_s, _poll_s(live)))
            with suppress(DatabaseAway):
                view = await run_in_threadpool(_view, org_id, job_id)


def is_read(org_id: str, job_id: str, after: int) -> bool:
    """Whether the job is over and nothing came after the event `after`."""
    found, _, is_over = _read(org_id, job_id, after)
    return is_over and not found


class _Reader:
    """A place in the timeline of one job. `is_over`: the job has ended and everything of it was read."""

    def __init__(self, live: Live, watch: Watch, org_id: str, job_id: str, after: int) -> None:
        self.is_over = False
        self._live = live
        self._watch = watch
        self._org_id = org_id
        self._job_id = job_id
        self._place: Place | int = after
        self._last_of: dict[str, Event] = {}  # by stage
        self._beat_at = time.monotonic() + BEAT_S

    async def kept(self) -> list[Event]:
        """Return the kept events since the last call; none while the database is away, which a stream survives."""
        try:
            self._watch.begin_reading()
            found, self._place, self.is_over = await run_in_threadpool(_read, self._org_id, self._job_id, self._place)
        except DatabaseAway as exc:
            log.warning("gateway.stream.delayed", job_id=self._job_id, error=exc.code)
            await self._live.pause(AWAY_S)
            return []
        for event in found:
            self._last_of[event.stage] = event
        return found

    async def meanwhile(self) -> AsyncIterator[bytes]:
        """Yield progress and heart-beats until it is time to read the timeline again."""
        poll_at = time.monotonic() + _poll_s(self._live)
        while not (self._live.is_closing or self._watch.is_stale or time.monotonic() >= poll_at):
            for event in filter(self._is_news, self._watch.take_progress()):
                yield format_sse_event(event=event.type, data_str=event.model_dump_json())
            if time.monotonic() >= self._beat_at:
                self._beat_at = time.monotonic() + BEAT_S
                yield KEEPALIVE_COMMENT
            await self._watch.wait(max(min(poll_at, self._beat_at) - time.monotonic(), 0.0))

    def _is_news(self, progress: Event) -> bool:
        # The timeline may have been ahead of the bus: progress older than the end of its stage would turn it back.
        kept = self._last_of.get(progress.stage)
        return kept is None or progress.at > kept.at


def _read(org_id: str, job_id: str, start: Place | int) -> tuple[list[Event], Place, bool]:
    """Return what came after a place, or after an event; the place after it; and whether the job is over."""
    with reading(org_id) as connection:
        # The state first: an event that the end of the job wrote is then among those that are read.
        is_over = jobs.view(connection, job_id).state.is_terminal
        end = eventlog.here(connection)
        if isinstance(start, int):
            start = eventlog.place_of(connection, start, end) or Place()
        stretch, found = Stretch(start, end), list[Event]()
        while True:
            page = eventlog.between(connection, stretch, found[-1].id if found else 0, PAGE, job_id)
            found += [entry.event for entry in page]
            if len(page) < PAGE:
                return found, end, is_over


def _view(org_id: str, job_id: str) -> JobView:
    with reading(org_id) as connection:
        return jobs.view(connection, job_id)


def _poll_s(live: Live) -> float:
    return POLL_CONNECTED_S if live.is_connected else POLL_S
