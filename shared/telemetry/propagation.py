"""Traces from one process to the next: the W3C traceparent of a span, and what it says to whoever gets it."""

from __future__ import annotations

from functools import lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()  # by itself: the one that the environment chooses would look for baggage too


def traceparent() -> str:
    """Return the W3C traceparent of the current span, or an empty string outside of one."""
    return traceparent_of(trace.get_current_span())


def trace_id() -> str:
    """Return the current trace id in hex, or an empty string outside of a span."""
    said = trace.get_current_span().get_span_context()
    return trace.format_trace_id(said.trace_id) if said.is_valid else ""


def trace_of(traceparent: str) -> str:
    """Return the trace id that a traceparent names, in hex; an empty string where it is none."""
    said = trace.get_current_span(context_of(traceparent) or Context()).get_span_context()
    return trace.format_trace_id(said.trace_id) if said.is_valid else ""


def traceparent_of(current: trace.Span) -> str:
    """Return the W3C traceparent of a span; an empty string where it has none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context=trace.set_span_in_context(current, Context()))
    return carrier.get("traceparent", "")


@lru_cache(64)  # one run of a stage asks for that of its job several times
def context_of(traceparent: str) -> Context | None:
    """Return the context in which a span is below this traceparent; None, the current one, where it is empty."""
    return _W3C.extract({"traceparent": traceparent}, context=Context()) if traceparent else None


def links_to(linked_to: str) -> list[trace.Link]:
    """Return the link to the span of a traceparent; none where it is empty or odd."""
    if not linked_to:
        return []
    other = trace.get_current_span(context_of(linked_to)).get_span_context()
    return [trace.Link(other)] if other.is_valid else []
