"""What a process records goes over the bus sealed, in bounded batches; a bus that is away costs the records alone."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from shared import bus, codec, spool, testing
from shared.codec import BadSignature, Unsigned
from shared.contracts.record import RecordBatch
from shared.keyring import Unverified
from shared.settings import settings
from shared.spool import Spool, stream
from tests.shared.spool.entries import MINE, batch, entries, names, sent, span

QUICK_S = 3.0  # one connect time-out of the bus and some slack for a busy machine


@pytest.mark.usefixtures("bus_url")
def test_a_full_stream_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAXLEN", 100)
    spool.send([batch(id=f"{n:032x}") for n in range(1000)])
    kept = [int(each.id, 16) for each in sent()]
    assert 100 <= len(kept) < 300
    assert kept == list(range(1000 - len(kept), 1000))


@pytest.mark.usefixtures("bus_url")
def test_large_batches_fill_the_stream_no_more_than_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FULL", 100_000)
    for _ in range(20):
        spool.send([batch(spans=[span(random.randbytes(10_000).hex())])])
    bus.client().ping()
    assert sum(len(fields[b"sealed"]) for _, fields in entries()) <= 100_000


@pytest.mark.usefixtures("bus_url")
def test_a_batch_larger_than_what_is_taken_in_goes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LARGEST", 2000)
    spool.send([batch(spans=[span(f"{n} {'x' * 300}") for n in range(10)], dropped=3)])
    found = sent()
    assert [name.split()[0] for name in names(found)] == [str(n) for n in range(10)]
    assert len({each.id for each in found}) == len(found) > 1
    assert sum(each.dropped for each in found) == 3


@pytest.mark.usefixtures("bus_url")
def test_a_span_that_is_no_json_costs_itself_alone() -> None:
    plain = batch(spans=[span("a"), span("b"), span("c")]).model_dump(mode="json")
    plain["spans"][1]["attributes"] = {"odd": object()}
    spool.send([plain])
    assert names(sent()) == ["a", "c"]


@pytest.mark.usefixtures("bus_url")
def test_text_that_cannot_be_kept_as_it_is_costs_no_span(spooled: Spool, tracer: trace.Tracer) -> None:
    odd: dict[str, Any] = {"half": "\ud800", "nul": "\x00", "endless": float("inf")}
    tracer.start_span("odd", attributes=MINE | odd).end()
    tracer.start_span("plain", attributes=MINE | {"smile": "\U0001f600"}).end()
    spooled.flush()
    assert sorted(span.name for one in sent() for span in one.spans) == ["odd", "plain"]


@pytest.mark.usefixtures("bus_url")
def test_what_is_sent_can_be_read_and_written_by_this_installation_alone() -> None:
    spool.send([batch(spans=[span("confidential")])])
    [(_, fields)] = entries()
    assert b"confidential" not in fields[b"sealed"]
    for forged, refused in (
        ({}, Unsigned),
        ({b"org": b"o"}, Unsigned),
        (fields | {b"org": b"p"}, BadSignature),
        (fields | {b"sealed": fields[b"sealed"][:-1]}, BadSignature),
        (fields | {b"sealed": codec.seal_bytes("event", b"x", "o")}, BadSignature),
    ):
        with pytest.raises(refused):
            spool.opened(forged)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"x",
        zlib.compress(b"5"),
        zlib.compress(b"{}"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b" " * (stream.LARGEST + 1)),
        zlib.compress(batch(org_id="another").model_dump_json().encode()),
    ],
)
@pytest.mark.usefixtures("bus_url")
def test_a_sealed_entry_that_is_no_batch_is_a_value_error(plain: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?i)batch"):
        spool.opened({b"org": b"o", b"sealed": codec.seal_bytes("record", plain, "o")})


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_whatever_lies_in_the_stream_is_refused_and_breaks_nothing(sealed: bytes, org: bytes) -> None:
    with pytest.raises((Unverified, ValueError)):
        spool.opened({b"org": org, b"sealed": sealed})


@pytest.mark.parametrize("away", ["unix:///nowhere/r.sock", "redis://127.0.0.1:1"])
def test_a_bus_that_is_away_is_no_error_and_holds_nobody_up(
    spooled: Spool, tracer: trace.Tracer, fresh_settings: pytest.MonkeyPatch, away: str
) -> None:
    fresh_settings.setenv("VEDETTE_REDIS_URL", away)
    settings.cache_clear()
    tracer.start_span("lost", attributes=MINE).end()
    began = time.monotonic()
    spooled.flush()
    assert time.monotonic() - began < QUICK_S


def test_what_is_sent_while_the_bus_is_away_is_lost_and_later_spans_are_not(
    spooled: Spool, tracer: trace.Tracer, fresh_settings: pytest.MonkeyPatch
) -> None:
    with testing.redis_server() as server:
        fresh_settings.setenv("VEDETTE_REDIS_URL", server.url)
        settings.cache_clear()
        say(tracer, spooled, "before")
        server.stop()
        say(tracer, spooled, "lost")
        server.start()
        testing.wait_for(lambda: names(say(tracer, spooled, "after"))[-1:] == ["after"], "it is sent again")
        assert "lost" not in names(sent())
        assert names(sent())[0] == "before"


def say(tracer: trace.Tracer, spooled: Spool, name: str) -> list[RecordBatch]:
    tracer.start_span(name, attributes=MINE).end()
    spooled.flush()
    return answered(sent)


def answered(ask: Callable[[], list[RecordBatch]]) -> list[RecordBatch]:
    try:
        return ask()
    except (OSError, redis.RedisError):
        return []
