"""What a process records goes over the bus sealed, in bounded batches; a bus that is away costs the records alone."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from shared import bus, codec, spool, testing
from shared.codec import BadSignature, Unsigned, Unverified
from shared.contracts.record import RecordBatch, SpanRecord
from shared.ids import new_id
from shared.settings import settings
from shared.spool import Spool
from shared.telemetry.tracing import ATTEMPT, JOB, ORG, STAGE

MINE: dict[str, str | int] = {JOB: "j", ORG: "o"}
QUICK_S = 3.0  # one connect time-out of the bus and some slack for a busy machine


@pytest.fixture
def spooled() -> Iterator[Spool]:
    made = Spool("scan")
    yield made
    made.shutdown()


@pytest.fixture
def tracer(spooled: Spool) -> trace.Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(spooled)
    return provider.get_tracer("tests")


def sent() -> list[RecordBatch]:
    return [spool.opened(fields) for _, fields in entries()]


def entries() -> list[tuple[bytes, dict[bytes, bytes]]]:
    bus.client().ping()  # after what was sent without waiting
    found: Any = bus.client().xrange(spool.STREAM)
    return [(entry_id, fields) for entry_id, fields in found]


def batch(**fields: Any) -> RecordBatch:
    return RecordBatch.model_validate(
        {"id": new_id(), "org_id": "o", "job_id": "j", "service": "scan", "process": "h:1", **fields}
    )


@pytest.mark.usefixtures("bus_url")
def test_an_ended_span_is_sent_with_all_that_it_says(spooled: Spool, tracer: trace.Tracer) -> None:
    other = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    with tracer.start_as_current_span("outer", attributes=MINE) as outer:
        inner = tracer.start_span("inner", attributes=MINE | {"n": 1}, kind=SpanKind.CLIENT, links=[Link(other)])
        inner.set_status(StatusCode.ERROR, "it broke")
        inner.end()
    spooled.flush()
    [one] = sent()
    assert (one.org_id, one.job_id, one.service, one.process.count(":")) == ("o", "j", "scan", 1)
    first, last = one.spans
    assert (first.name, first.parent_id, first.kind, first.is_error, first.error) == (
        "inner",
        last.span_id,
        "client",
        True,
        "it broke",
    )
    assert (first.attributes["n"], last.parent_id, last.is_error) == (1, "", False)
    assert [(link.trace_id, link.span_id) for link in first.links] == [(f"{1:032x}", f"{2:016x}")]
    assert last.trace_id == first.trace_id == trace.format_trace_id(outer.get_span_context().trace_id)
    assert last.began_ns <= first.began_ns <= first.ended_ns <= last.ended_ns


@pytest.mark.usefixtures("bus_url")
def test_jobs_organisations_and_traces_do_not_share_a_batch(spooled: Spool, tracer: trace.Tracer) -> None:
    for job_id, org_id in (("a", "o"), ("b", "o"), ("a", "p"), ("a", "o")):
        tracer.start_span(f"{job_id} {org_id}", attributes={JOB: job_id, ORG: org_id}).end()
    spooled.keep_line("o", "c", {"trace_id": "t", "event": "e", "at_ns": 1, "level": "info"})
    spooled.flush()
    found = [(each.job_id, each.org_id, len(each.spans), len(each.lines)) for each in sent()]
    assert sorted(found) == [("a", "o", 1, 0), ("a", "o", 1, 0), ("a", "p", 1, 0), ("b", "o", 1, 0), ("c", "o", 0, 1)]


@pytest.mark.usefixtures("bus_url")
def test_a_span_inside_a_stage_is_of_its_job_and_one_of_nobody_is_not_kept(
    spooled: Spool, tracer: trace.Tracer
) -> None:
    bound = {"job_id": "j", "org_id": "o", "stage": "scan", "attempt": 2}
    with structlog.contextvars.bound_contextvars(**bound):
        tracer.start_span("inside").end()
        tracer.start_span("says itself", attributes={STAGE: "report"}).end()
    tracer.start_span("outside").end()
    spooled.flush()
    said = [{key: span.attributes[key] for key in (JOB, ORG, STAGE, ATTEMPT)} for each in sent() for span in each.spans]
    assert said == [{JOB: "j", ORG: "o", STAGE: stage, ATTEMPT: 2} for stage in ("scan", "report")]


@pytest.mark.usefixtures("bus_url")
def test_nothing_is_sent_of_nothing_and_nothing_twice(spooled: Spool, tracer: trace.Tracer) -> None:
    spooled.flush()
    assert entries() == []
    tracer.start_span("one", attributes=MINE).end()
    for _ in range(3):
        spooled.flush()
    assert len(entries()) == 1


@pytest.mark.usefixtures("bus_url")
def test_many_spans_go_in_several_batches_and_too_many_are_counted(
    spooled: Spool, tracer: trace.Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "AT_ONCE", 10)
    monkeypatch.setattr(spool, "MOST", 25)
    with tracer.start_as_current_span("of one trace"):
        for n in range(30):
            tracer.start_span(str(n), attributes=MINE).end()
            spooled.keep_line("o", "j", {"trace_id": "", "event": str(n), "at_ns": n, "level": "info"})
    spooled.flush()
    found = sent()
    assert sorted(len(each.spans) for each in found if each.spans) == [5, 10, 10]
    assert [span.name for each in found for span in each.spans] == [str(n) for n in range(25)]
    assert (sum(each.dropped for each in found), sum(each.unsaid for each in found)) == (5, 5)


@pytest.mark.usefixtures("bus_url")
def test_a_spool_with_a_thread_sends_by_itself_and_at_once_when_there_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "AT_ONCE", 3)
    made = Spool("gateway", every_s=3600)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(made)
    for n in range(3):
        provider.get_tracer("t").start_span(str(n), attributes=MINE).end()
    testing.wait_for(lambda: sum(len(each.spans) for each in sent()) == 3, "three are sent long before the hour")
    provider.get_tracer("t").start_span("last", attributes=MINE).end()
    made.shutdown()
    assert sum(len(each.spans) for each in sent()) == 4


@pytest.mark.usefixtures("bus_url")
def test_what_a_quiet_process_records_is_sent_at_once_and_that_of_a_busy_one_together() -> None:
    made = Spool("scan", every_s=3600)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(made)
    sizes = []
    for n in range(3):
        provider.get_tracer("t").start_span(str(n), attributes=MINE).end()
        made.flush_seldom()
        sizes.append(sum(len(each.spans) for each in sent()))
    made.shutdown()
    assert [*sizes, sum(len(each.spans) for each in sent())] == [1, 1, 1, 3]


@pytest.mark.usefixtures("bus_url")
def test_spans_of_many_threads_are_each_sent_once(spooled: Spool, tracer: trace.Tracer) -> None:
    def work(thread: int) -> None:
        for n in range(100):
            tracer.start_span(f"{thread} {n}", attributes=MINE).end()
            if n % 10 == 0:
                spooled.flush()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    spooled.flush()
    names = [span.name for each in sent() for span in each.spans]
    assert sorted(names) == sorted(f"{thread} {n}" for thread in range(8) for n in range(100))


@pytest.mark.usefixtures("bus_url")
def test_a_full_stream_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MAXLEN", 100)
    spool.send([batch(id=f"{n:032x}") for n in range(1000)])
    kept = [int(each.id, 16) for each in sent()]
    assert 100 <= len(kept) < 300
    assert kept == list(range(1000 - len(kept), 1000))


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
        zlib.compress(b" " * (spool.LARGEST + 1)),
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


def names(batches: list[RecordBatch]) -> list[str]:
    return [each.name for one in batches for each in one.spans]


def span(name: str) -> SpanRecord:
    return SpanRecord(trace_id="t", span_id="s", name=name, began_ns=1, ended_ns=2)


@pytest.mark.usefixtures("bus_url")
def test_a_batch_larger_than_what_is_taken_in_goes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGEST", 2000)
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
def test_large_batches_fill_the_stream_no_more_than_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "FULL", 100_000)
    for _ in range(20):
        spool.send([batch(spans=[span(random.randbytes(10_000).hex())])])
    bus.client().ping()
    assert sum(len(fields[b"sealed"]) for _, fields in entries()) <= 100_000


@pytest.mark.usefixtures("bus_url")
def test_a_job_that_logs_without_end_says_so_much_between_two_flushes(
    spooled: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MOST_SAID", 10_000)
    for _ in range(100):
        spooled.keep_line("o", "j", {"trace_id": "t", "event": "x" * 999, "at_ns": 1, "level": "info"})
    spooled.flush()
    [one] = sent()
    assert len(one.lines) <= 11
    assert len(one.lines) + one.unsaid == 100


@pytest.mark.usefixtures("bus_url")
def test_text_that_cannot_be_kept_as_it_is_costs_no_span(spooled: Spool, tracer: trace.Tracer) -> None:
    odd: dict[str, Any] = {"half": "\ud800", "nul": "\x00", "endless": float("inf")}
    tracer.start_span("odd", attributes=MINE | odd).end()
    tracer.start_span("plain", attributes=MINE | {"smile": "\U0001f600"}).end()
    spooled.flush()
    assert sorted(span.name for one in sent() for span in one.spans) == ["odd", "plain"]
