"""A traceparent names its trace and its span, here and in the next process; what is none names nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from shared import telemetry
from shared.telemetry.propagation import context_of, links_to, trace_of, traceparent_of

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_what_one_process_says_of_a_span_the_next_understands() -> None:
    with telemetry.span("work") as current:
        assert (said := telemetry.traceparent()) == traceparent_of(current)
        assert trace_of(said) == telemetry.trace_id()
    assert traceparent_of(trace.get_current_span(context_of(said))) == said


def test_outside_of_a_span_there_is_nothing_to_say() -> None:
    assert (telemetry.traceparent(), telemetry.trace_id(), traceparent_of(trace.INVALID_SPAN)) == ("", "", "")


def test_a_link_is_to_the_very_span() -> None:
    [link] = links_to(PARENT)
    assert (link.context.trace_id, link.context.span_id) == (int(PARENT[3:35], 16), int(PARENT[36:52], 16))


@given(st.text(max_size=60))
def test_what_is_no_traceparent_names_no_trace_and_no_span(text: str) -> None:
    assert (trace_of(text), links_to(text)) == ("", [])
