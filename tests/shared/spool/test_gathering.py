"""What a process records is kept until it is sent, once: bounded, whichever thread makes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from shared import testing
from shared.spool import Spool, batches, gathering
from shared.telemetry.attributes import ATTEMPT, JOB, ORG, STAGE
from tests.shared.spool.entries import MINE, entries, sent


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
def test_a_spool_with_a_thread_sends_by_itself_and_at_once_when_there_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 3)
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
    made.flush()  # as the thread does while there is nothing: that is no reason to wait
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
def test_a_job_that_logs_without_end_says_so_much_between_two_flushes(
    spooled: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MOST_SAID", 10_000)
    for _ in range(100):
        spooled.keep_line("o", "j", {"trace_id": "t", "event": "x" * 999, "at_ns": 1, "level": "info"})
    spooled.flush()
    [one] = sent()
    assert len(one.lines) <= 11
    assert len(one.lines) + one.unsaid == 100
