"""The trace of real jobs on real workers: what they recorded, what goes on, and what died with its worker."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from control import recorder
from gateway import traces
from shared import intervention, testing
from shared.contracts.job import JobState, StageName
from shared.contracts.policy import PolicyChange
from shared.contracts.trace import Segment, Span, SpanState, Trace
from shared.errors import BackOff, FailureClass
from shared.store import policies
from shared.store.engine import reading, writing
from tests.integration.conftest import Stack
from tests.shared.store.making import ORG

SERVICES = [stage.value for stage in StageName]
STAGES = ("scan", "process", "report", "notify")


def traced(job_id: str, *, is_grouped: bool = True) -> Trace:
    """The trace of a job with all that its workers have sent by now."""
    while recorder.take_in():
        pass
    with reading(ORG) as connection:
        return traces.trace(traces.of_job(connection, job_id), is_grouped=is_grouped)


def complete(job_id: str) -> Trace:
    """The trace of a job that is over, when all of its runs have been recorded."""
    testing.wait_for(lambda: not unrecorded(traced(job_id)), "all runs are recorded")
    return traced(job_id)


def unrecorded(trace: Trace) -> list[str]:
    return [span.name for span in runs(trace) if span.is_from_ledger and span.state is not SpanState.LOST]


def runs(trace: Trace, stage: str = "") -> list[Span]:
    return [span for span in trace.spans if span.segment is Segment.RUN and stage in {"", span.stage}]


@pytest.fixture
def moody() -> Iterator[int]:
    """A port of a webhook that is overwhelmed the first time and well the second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                for status in ("503 Service Unavailable", *["204 No Content"] * 100):
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

        threading.Thread(target=answer, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def test_a_job_is_one_tree_over_the_processes_that_worked_on_it(stack: Stack, banner: int) -> None:
    stack.start(*SERVICES)
    job_id = stack.submit("127.0.0.1", str(banner))
    stack.ended(job_id)
    trace = complete(job_id)
    assert [span.stage for span in runs(trace)] == list(STAGES)
    assert {span.parent_id for span in runs(trace)} == {trace.spans[0].id}
    assert trace.totals.processes >= len(STAGES)
    assert not [span.name for span in trace.spans if span.is_parent_missing or span.state is not SpanState.OK]
    assert trace.totals.ran_s > 0
    assert {span.stage for span in trace.spans if span.is_critical} >= set(STAGES)
    sent = {span.id: span.name for span in trace.spans if span.segment is Segment.SEND}
    links = {span.stage: sent.get(link.span_id) for span in runs(trace) for link in span.links}
    assert {stage: links.get(StageName(stage)) for stage in STAGES[1:]} == {s: f"send {s}" for s in STAGES[1:]}


def test_two_jobs_at_once_never_mix(stack: Stack, banner: int) -> None:
    stack.start(*SERVICES)
    ids = [stack.submit("127.0.0.1", str(banner)) for _ in range(2)]
    for job_id in ids:
        stack.ended(job_id)
    found = [complete(job_id) for job_id in ids]
    assert [{span.job_id for span in trace.spans} for trace in found] == [{ids[0]}, {ids[1]}]
    assert len({trace.trace_id for trace in found}) == 2


def test_a_run_is_live_while_it_goes_on_and_lost_when_its_process_is_killed(
    stack: Stack, banner: int, tarpit: int
) -> None:
    stack.start(*SERVICES)
    job_id = stack.submit("127.0.0.1", str(tarpit))
    testing.wait_for(lambda: runs(traced(job_id), "scan"), "the scan runs")
    live = traced(job_id)
    assert [(span.state, span.is_from_ledger) for span in runs(live)] == [(SpanState.LIVE, True)]
    assert (live.is_live, live.ended_at) == (True, None)

    os.kill(stack.child("scan"), signal.SIGKILL)
    stack.ended(job_id)
    trace = complete(job_id)
    assert [(span.attempt, span.state) for span in runs(trace, "scan")] == [(1, SpanState.LOST), (2, SpanState.OK)]
    assert trace.totals.lost_s > 0


def test_a_retry_is_a_run_of_its_own_with_its_back_off_and_a_further_run_has_a_trace_of_its_own(
    stack: Stack, banner: int, moody: int
) -> None:
    with writing() as connection:
        soon = PolicyChange(retries=3, back_off=BackOff.LINEAR, base_s=1.0, cap_s=1.0)
        for kind in (FailureClass.TEMPORARY, FailureClass.EXTERNAL):
            policies.change(connection, ORG, kind, soon, "test")
    if "notify" in stack.workers:
        stack.kill("notify")
    before = stack.environment["VEDETTE_NOTIFY"]
    stack.environment["VEDETTE_NOTIFY"] = f'["http://127.0.0.1:{moody}/hook"]'
    try:
        stack.start(*SERVICES)
    finally:
        stack.environment["VEDETTE_NOTIFY"] = before
    job_id = stack.submit("127.0.0.1", str(banner))
    assert stack.ended(job_id).state is JobState.SUCCEEDED
    trace = complete(job_id)
    states = [(span.attempt, span.state) for span in runs(trace, "notify")]
    assert states == [(1, SpanState.ERROR), (2, SpanState.OK)]
    failed = runs(trace, "notify")[0].error
    assert failed is not None
    assert (bool(failed.type), len(failed.fingerprint)) == (True, 16)
    [off] = [span for span in trace.spans if span.segment is Segment.BACKOFF]
    assert off.duration_s > 0.5
    assert trace.totals.backed_off_s > 0.5

    intervention.resume(ORG, job_id, StageName.REPORT, by="test")
    stack.ended(job_id)
    again = complete(job_id)
    stack.kill("notify")
    assert again.trace_id != trace.trace_id
    assert [span.stage for span in runs(again)] == ["report", "notify"]
    assert [(each.relation, each.trace_id) for each in again.related] == [("earlier_run", trace.trace_id)]


def test_a_run_that_stopped_because_its_job_was_cancelled_is_no_error(stack: Stack, tarpit: int) -> None:
    stack.start(*SERVICES)
    job_id = stack.submit("127.0.0.1", str(tarpit))
    testing.wait_for(lambda: runs(traced(job_id), "scan"), "the scan runs")
    intervention.cancel_one(ORG, job_id, "test")
    stack.ended(job_id)
    assert [(span.name, span.state, span.error) for span in runs(complete(job_id))] == [("run scan", "ok", None)]
