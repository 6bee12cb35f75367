from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.live import Live, Watch
from shared import bus
from shared.broker import refusals
from shared.contracts.events import Event, EventType
from shared.contracts.job import Progress
from shared.ids import now
from shared.testing import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def kept(event_id: int, stage: str = "scan", job_id: str = "j") -> Event:
    return Event(id=event_id, type=EventType.STAGE_STARTED, at=now(), org_id="local", job_id=job_id, stage=stage)


def progress(done: int, stage: str = "scan", job_id: str = "j") -> Event:
    data = Progress(done=done, total=9).model_dump()
    return Event(type=EventType.STAGE_PROGRESSED, at=now(), org_id="local", job_id=job_id, stage=stage, data=data)


async def test_of_much_progress_a_slow_reader_gets_the_newest() -> None:
    watch = Watch()
    for done in range(1000):
        watch.offer(progress(done))
    watch.offer(progress(1, "report"))
    assert [(event.stage, event.data["done"]) for event in watch.take_progress()] == [("scan", 999), ("report", 1)]
    assert watch.take_progress() == []


async def test_a_kept_event_overrules_the_progress_before_it() -> None:
    watch = Watch()
    watch.offer(progress(3))
    watch.offer(kept(7))
    assert watch.take_progress() == []
    assert watch.is_stale
    watch.begin_reading()
    assert not watch.is_stale


async def test_mistrust_makes_a_reader_look_once() -> None:
    watch = Watch()
    watch.mistrust()
    await watch.wait(1)
    assert watch.is_stale
    watch.begin_reading()
    assert not watch.is_stale


async def test_events_reach_only_the_watches_of_their_job() -> None:
    live = Live()
    with live.watch("a") as mine, live.watch("a") as also, live.watch("b") as other:
        live.hear(kept(1, job_id="a"))
        assert (mine.is_stale, also.is_stale, other.is_stale) == (True, True, False)
    live.hear(kept(2, job_id="a"))
    assert not live._watches


async def test_events_on_the_bus_are_heard_whatever_stands_between_them(bus_url: str) -> None:
    async with running(Live()) as live:
        with live.watch("j") as watch:
            await until(lambda: live.is_connected)
            for rubbish in ({"a": "b"}, {"__data__": "no json"}, {"__data__": '{"data":"[1]","headers":{}}'}):
                redis().xadd(bus.STREAM, rubbish)
            bus.publish([kept(5)])
            await until(lambda: watch.is_stale)


async def test_an_event_that_nobody_here_has_written_is_dropped_and_counted(bus_url: str) -> None:
    async with running(Live()) as live:
        await until(lambda: live.is_connected)
        heard: list[int] = []
        live.hear = lambda event: heard.append(event.id)  # type: ignore[method-assign]
        forged = {"data": json.dumps(kept(99).model_dump(mode="json")), "headers": {"content-type": "application/json"}}
        redis().xadd(bus.STREAM, {"__data__": json.dumps(forged)})
        bus.publish([kept(5)])
        await until(lambda: refusals.counts()["unsigned"] == 1 and heard == [5])


async def test_nothing_is_lost_between_two_reads(bus_url: str) -> None:
    async with running(Live()) as live:
        await until(lambda: live.is_connected)
        heard: list[int] = []
        live.hear = lambda event: heard.append(event.id)  # type: ignore[method-assign]
        for event_id in range(1, 200):
            await asyncio.to_thread(bus.publish, [kept(event_id)])
        await until(lambda: len(heard) == 199)
        assert heard == list(range(1, 200))


async def test_a_stream_that_began_anew_is_followed_again(bus_url: str) -> None:
    async with running(Live()) as live:
        await until(lambda: live.is_connected)
        with live.watch("j") as watch:
            bus.publish([kept(1)])
            await until(lambda: watch.is_stale)
            watch.begin_reading()
            earlier = redis().xrange(bus.STREAM)[-1][1]
            redis().delete(bus.STREAM)
            redis().xadd(bus.STREAM, earlier, id="1-1")  # as after a restore on a machine with a slower clock
            await until(lambda: watch.is_stale)
            await until(lambda: live.is_connected)
            watch.begin_reading()
            bus.publish([kept(9)])
            await until(lambda: watch.is_stale)


async def test_a_redis_that_comes_back_is_followed_again(bus_url: str, redis_server: RedisServer) -> None:
    async with running(Live()) as live:
        await until(lambda: live.is_connected)
        with live.watch("j") as watch:
            watch.begin_reading()
            await asyncio.to_thread(redis_server.stop)
            try:
                await until(lambda: not live.is_connected)
            finally:
                await asyncio.to_thread(redis_server.start)
            await until(lambda: live.is_connected)
            assert watch.is_stale, "what happened meanwhile is in the timeline"
            watch.begin_reading()
            await asyncio.to_thread(bus.publish, [kept(9)])
            await until(lambda: watch.is_stale)


def redis() -> Any:
    """Return the client of the bus, whose types are looser than what it does."""
    return bus.client()


@asynccontextmanager
async def running(live: Live) -> AsyncIterator[Live]:
    """Run the subscriber of `live` for the block."""
    task = asyncio.create_task(live.run())
    yield live
    live.close()
    await asyncio.wait_for(task, 10)


async def until(condition: Callable[[], object], timeout_s: float = 15) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
