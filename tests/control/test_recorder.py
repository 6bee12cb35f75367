"""What processes recorded goes from the stream into SQL once, whatever else lies there and whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from control import recorder
from shared import bus, codec, spool, testing
from shared.broker import refusals
from shared.broker.client import BrokerAway
from shared.contracts.logs import LineRecord, LogLevel
from shared.contracts.record import RecordBatch, SpanRecord
from shared.errors import Infrastructure
from shared.ids import new_id
from shared.spool import stream
from shared.store import lines, records
from shared.store.engine import engine, reading, writing
from shared.store.tables import span_batches
from tests.conftest import forget

DYING = Path(__file__).with_name("dying_recorder.py")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
JOB = "01a21572-69f1-7741-add3-dc484d395557"


pytestmark = pytest.mark.usefixtures("server")


def batch(*names: str, **fields: Any) -> RecordBatch:
    spans = [
        SpanRecord(trace_id=TRACE, span_id=f"{n:016x}", name=name, began_ns=n + 1, ended_ns=n + 2)
        for n, name in enumerate(names)
    ]
    said = [LineRecord(at_ns=1, level=LogLevel.INFO, event=name) for name in names]
    given = {"id": new_id(), "org_id": "local", "job_id": JOB, "service": "scan", "process": "h:1", **fields}
    return RecordBatch(spans=spans, lines=said, **given)


def send(batches: Sequence[RecordBatch]) -> None:
    """Send batches, and wait until they are there."""
    spool.send(batches)
    bus.send([("PING",)])  # reads the answers to what was sent before


def left() -> int:
    return int(bus.client().xlen(spool.STREAM))


def spans(job_id: str = JOB) -> list[str]:
    with reading() as connection:
        return sorted(span.name for span in records.of_job(connection, job_id, TRACE))


def said(job_id: str = JOB) -> list[str]:
    with reading() as connection:
        return sorted(line.event for line in lines.page(connection, job_id, limit=1000))


@contextmanager
def running() -> Iterator[None]:
    stop = threading.Event()
    loop = threading.Thread(target=recorder.run, args=(stop,))
    loop.start()
    try:
        yield
    finally:
        stop.set()
        loop.join()


def test_what_was_sent_is_taken_in_and_deleted() -> None:
    send([batch("a", "b"), batch("c"), batch("of another", job_id=new_id())])
    assert recorder.take_in() == 3
    assert (spans(), said(), left(), recorder.take_in()) == (["a", "b", "c"], ["a", "b", "c"], 0, 0)


def test_more_than_fits_into_one_transaction_is_taken_in_by_further_ones() -> None:
    send([batch(str(n)) for n in range(recorder.AT_ONCE + 50)])
    assert (recorder.take_in(), recorder.take_in(), left()) == (recorder.AT_ONCE, 50, 0)
    assert len(spans()) == recorder.AT_ONCE + 50


def test_a_batch_that_comes_twice_is_kept_once() -> None:
    made = batch("a")
    send([made, made])
    recorder.take_in()
    send([made])
    recorder.take_in()
    assert (spans(), said(), left()) == (["a"], ["a"], 0)


@pytest.mark.parametrize("instant", ["before-commit", "before-deletion"])
def test_a_recorder_that_is_killed_loses_nothing_and_keeps_nothing_twice(
    server: testing.RedisServer, database: str, instant: str
) -> None:
    send([batch("a", "b"), batch("c")])
    environment = {"VEDETTE_REDIS_URL": server.url, "VEDETTE_DATABASE_URL": database, "PYTHONPATH": "."}
    environment["VEDETTE_MASTER_KEY"] = testing.MASTER_KEY
    for _ in range(2):
        killed = subprocess.run(
            [sys.executable, str(DYING), instant], env={**os.environ, **environment}, timeout=60, check=False
        )
        assert killed.returncode == -signal.SIGKILL
        assert left() == 2
    assert (recorder.take_in(), left()) == (2, 0)
    assert (spans(), said()) == (["a", "b", "c"], ["a", "b", "c"])


def test_two_who_both_believe_to_lead_keep_nothing_twice() -> None:
    send([batch(str(n)) for n in range(40)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: recorder.take_in(), range(4)))
    assert (spans(), left()) == (sorted(str(n) for n in range(40)), 0)


def test_what_nobody_here_has_written_is_refused_counted_and_stops_nothing() -> None:
    genuine = {b"org": b"local", b"sealed": codec.seal_bytes("record", b"no batch", "local")}
    for forged in (
        {b"org": b"local", b"sealed": b"forged"},
        genuine | {b"org": b"another"},
        genuine | {b"sealed": codec.seal_bytes("event", b"x", "local")},
        {b"\xff": b"\xfe"},
        genuine,
    ):
        bus.client().xadd(spool.STREAM, forged)  # type: ignore[arg-type]  any bytes are
    send([batch("a")])
    assert recorder.take_in() == 6
    assert (spans(), left()) == (["a"], 0)
    assert sum(refusals.counts().values()) == 4


def test_what_was_cut_off_by_a_full_stream_costs_the_records_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAXLEN", 100)
    send([batch(f"{n:04d}") for n in range(600)])
    while recorder.take_in():
        pass
    kept = spans()
    assert kept[-1] == "0599"
    assert 100 <= len(kept) < 400


def test_a_bus_that_is_away_is_waited_for(server: testing.RedisServer) -> None:
    send([batch("before")])
    bus.client().ping()
    server.stop()
    again = batch("after")
    with pytest.raises(BrokerAway):
        recorder.take_in()
    with running():
        server.start()
        testing.wait_for(lambda: spans() == ["before"], "it is taken in")
        testing.wait_for(lambda: spool.send([again]) or "after" in spans(), "and the next, once somebody reaches it")
    assert spans() == ["after", "before"]


def test_while_the_database_is_away_all_stay_in_the_stream(fresh_settings: pytest.MonkeyPatch, database: str) -> None:
    send([batch("a")])
    bus.client().ping()
    fresh_settings.setenv("VEDETTE_DATABASE_URL", "postgresql://nobody@/none?host=/nowhere")
    forget()
    with pytest.raises(Infrastructure):
        recorder.take_in()
    assert left() == 1
    fresh_settings.setenv("VEDETTE_DATABASE_URL", database)
    forget()
    recorder.take_in()
    assert (spans(), left()) == (["a"], 0)


def test_what_is_old_is_deleted_and_the_rest_is_not() -> None:
    send([batch("old"), batch("new")])
    recorder.take_in()
    with writing() as connection:
        first = connection.execute(span_batches.select()).first()
        assert first is not None
        old = first.kept_at.replace(year=2020)
        connection.execute(update(span_batches).where(span_batches.c.id == first.id).values(kept_at=old))
    recorder.tidy()
    assert len(spans()) == 1
    engine().dispose()


def test_a_batch_that_the_database_refuses_holds_up_no_other() -> None:
    beyond = SpanRecord(trace_id=TRACE, span_id="f" * 16, name="broken clock", began_ns=1 << 70, ended_ns=1 << 70)
    send([batch("before"), batch().model_copy(update={"spans": [beyond]}), batch("after")])
    bus.client().ping()
    assert recorder.take_in() == 3
    assert (spans(), left()) == (["after", "before"], 0)
