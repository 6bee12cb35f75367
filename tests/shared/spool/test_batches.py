"""What is gathered goes in batches of one job, one organisation and one trace; none is larger than it may be."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from shared.spool import Spool, batches, gathering
from shared.telemetry.attributes import JOB, ORG
from tests.shared.spool.entries import MINE, sent


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
def test_many_spans_go_in_several_batches_and_too_many_are_counted(
    spooled: Spool, tracer: trace.Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 10)
    monkeypatch.setattr(gathering, "MOST", 25)
    with tracer.start_as_current_span("of one trace"):
        for n in range(30):
            tracer.start_span(str(n), attributes=MINE).end()
            spooled.keep_line("o", "j", {"trace_id": "", "event": str(n), "at_ns": n, "level": "info"})
    spooled.flush()
    found = sent()
    assert sorted(len(each.spans) for each in found if each.spans) == [5, 10, 10]
    assert [span.name for each in found for span in each.spans] == [str(n) for n in range(25)]
    assert (sum(each.dropped for each in found), sum(each.unsaid for each in found)) == (5, 5)
