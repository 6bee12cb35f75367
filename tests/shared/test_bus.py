"""The bus: what stages publish, FastStream reads; a bus that is away holds nobody up."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faststream.redis import StreamSub

from shared import bus, telemetry, testing
from shared.codec import BadSignature, Unsigned
from shared.contracts.events import Event, EventType
from shared.ids import now
from shared.settings import settings

QUICK_S = 3.0  # one connect time-out of the bus and some slack for a busy machine


def event(number: int = 1, **fields: object) -> Event:
    return Event.model_validate(
        {"id": number, "type": EventType.STAGE_FINISHED, "at": now(), "org_id": "o", "job_id": "j", **fields}
    )


async def read(count: int) -> list[Event]:
    """The first `count` events of the stream, as a real FastStream subscriber gets them."""
    got: list[Event] = []
    done = asyncio.Event()
    broker = bus.broker()

    @broker.subscriber(stream=StreamSub(bus.STREAM, last_id="0-0"))
    async def take(message: dict[str, Any]) -> None:
        got.append(bus.opened(message))
        if len(got) == count:
            done.set()

    async with broker:
        await broker.start()
        await asyncio.wait_for(done.wait(), 10)
    return got


def test_a_faststream_subscriber_gets_events_as_they_were_published(bus_url: str) -> None:
    sent = [event(n, data={"text": "é\x00\n\"'", "deep": {"list": [1, None, 2.5]}}, trace_id="t") for n in (1, 2, 3)]
    bus.publish(sent[:2])
    bus.publish(sent[2:])
    assert asyncio.run(read(3)) == sent


def test_an_event_can_be_read_by_this_installation_alone(bus_url: str) -> None:
    bus.publish([event(data={"text": "confidential"})])
    [(_, entry)] = bus.client().xrange(bus.STREAM)
    assert b"confidential" not in entry[b"__data__"]
    body = json.loads(json.loads(entry[b"__data__"])["data"])
    assert bus.opened(body).data == {"text": "confidential"}
    for forged in ({**body, "org": "another"}, {**body, "sealed": body["sealed"][:-8] + "AAAAAAA="}):
        with pytest.raises(BadSignature):
            bus.opened(forged)
    for forged in (event().model_dump(mode="json"), {}, {**body, "org": 5}, {**body, "sealed": "confidential"}):
        with pytest.raises(Unsigned):
            bus.opened(forged)


def test_an_event_carries_the_trace_that_it_was_published_in(bus_url: str) -> None:
    with telemetry.span("stage", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        bus.publish([event(1), event(2, trace_id="its own")])
    assert [got.trace_id for got in asyncio.run(read(2))] == ["4bf92f3577b34da6a3ce929d0e0e4736", "its own"]


def test_no_events_are_no_message(bus_url: str) -> None:
    bus.publish([])
    assert bus.client().exists(bus.STREAM) == 0


def test_the_stream_does_not_grow_for_ever(bus_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "MAXLEN", 100)
    bus.publish([event(n) for n in range(1000)])
    assert bus.client().xlen(bus.STREAM) < 300


def test_an_absent_bus_is_no_error_and_costs_no_time(tmp_path: Path, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_REDIS_URL", f"unix://{tmp_path}/none.sock")
    started = time.perf_counter()
    bus.publish([event()])
    assert time.perf_counter() - started < QUICK_S


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose server accepts and never answers, as a frozen Redis does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_frozen_bus_costs_no_more_than_its_time_out(silent: int, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_REDIS_URL", f"redis://127.0.0.1:{silent}")
    started = time.perf_counter()
    bus.publish([event()])
    assert time.perf_counter() - started < bus.TIMEOUT_S + QUICK_S


def test_a_bus_that_comes_back_is_used_again(fresh_settings: pytest.MonkeyPatch) -> None:
    with testing.redis_server() as server:
        fresh_settings.setenv("VEDETTE_REDIS_URL", server.url)
        bus.publish([event(1)])
        server.stop(9)
        bus.publish([event(2)])
        server.start()
        bus.publish([event(3)])
        bus.publish([event(4)])  # the first may have died with the server: its disk is a second behind
        assert settings().bus_url.endswith("db=1")
        assert {got.id for got in asyncio.run(read(2))} >= {3}
