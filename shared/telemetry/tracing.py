"""Spans: around a block, or of a time that is over; and that of a job, which all of its stages continue."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

from shared.contracts.trace import Segment
from shared.telemetry.address import Addresses
from shared.telemetry.attributes import JOB, KIND, ORG, SEGMENT, Attributes
from shared.telemetry.lines import beginning
from shared.telemetry.propagation import context_of, links_to, trace_id, traceparent, traceparent_of

_NAME = "vedette"
_SECOND = 1_000_000_000  # in nanoseconds


def begin(service: str, processors: Sequence[SpanProcessor]) -> None:
    """Have this process make spans, told to `processors`; with none of these it makes ids alone.

    Called once in each process that makes spans, after its last fork: threads of processors would not survive one.
    """
    host, pid = socket.gethostname(), os.getpid()
    resource = Resource.create(
        {
            "service.namespace": _NAME,
            "service.name": f"{_NAME}-{service}",
            "service.instance.id": f"{host}:{pid}",
            "host.name": host,
            "process.pid": pid,
        }
    )
    provider = TracerProvider(
        sampler=ALWAYS_ON if processors else ALWAYS_OFF,
        resource=resource,
        shutdown_on_exit=False,  # it would wait half a minute for an endpoint that does not answer
    )
    for processor in (Addresses(), *processors) if processors else ():
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    _tracer.cache_clear()


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    traceparent: str = "",
    linked_to: str = "",
) -> Iterator[trace.Span]:
    """A span around the block; its parent is `traceparent` where given, else the current span.

    An exception that leaves the block makes it an error, told by its type alone: its text may hold secrets. One whose
    class says `is_outcome` tells how something ended well, and makes none.
    """
    current = _tracer().start_span(
        name, context=context_of(traceparent), kind=kind, attributes=attributes, links=links_to(linked_to)
    )
    outside = context.attach(trace.set_span_in_context(current))
    try:
        yield current
    except Exception as exc:
        is_told = "error.type" in (getattr(current, "attributes", None) or {})
        if current.is_recording() and not is_told and not getattr(exc, "is_outcome", False):
            fail(current, type(exc).__name__)
        raise
    finally:
        context.detach(outside)
        current.end()


def open_span(
    name: str, attributes: Attributes, *, kind: SpanKind = SpanKind.INTERNAL, traceparent: str = ""
) -> tuple[trace.Span, str]:
    """Begin a span that whoever gets it ends; return it and its traceparent."""
    made = _tracer().start_span(name, context=context_of(traceparent), kind=kind, attributes=attributes)
    return made, traceparent_of(made)


def past(
    name: str, began_s: float, ended_s: float, attributes: Attributes, *, traceparent: str = "", linked_to: str = ""
) -> None:
    """Make a span of a time that is over (unix time, seconds); where its end lies before its beginning it has none."""
    began, ended = int(began_s * _SECOND), int(max(began_s, ended_s) * _SECOND)
    made = _tracer().start_span(
        name, context=context_of(traceparent), attributes=attributes, links=links_to(linked_to), start_time=began
    )
    made.end(ended)


def fail(current: trace.Span, kind: str, message: str = "", attributes: Attributes | None = None) -> None:
    """Mark a span as failed with an error of this type. message: what looks like a secret is taken out of it."""
    current.set_attribute("error.type", kind)
    current.set_attributes(dict(attributes or {}))
    current.set_status(StatusCode.ERROR, beginning(message, 500) or kind)


def job_trace(job_id: str, org_id: str, kind: str, *, linked_to: str | None = None) -> tuple[str, str]:
    """Return trace id and traceparent of a new job, or of a new run of one: a span `job`, continued by all its stages.

    linked_to: None: it belongs to the trace of the request that asks for it. Else it is a trace of its own, linked to
    this traceparent, or where that is empty to the current span.
    """
    attributes = {JOB: job_id, ORG: org_id, KIND: kind, SEGMENT: Segment.JOB.value}
    trace.get_current_span().set_attributes({ORG: org_id, JOB: job_id} if linked_to is None else {ORG: org_id})
    if linked_to is None:
        with span("job", attributes):
            return trace_id(), traceparent()
    links = links_to(linked_to or traceparent())
    tracer = _tracer()
    with tracer.start_as_current_span("job", context=Context(), links=links, attributes=attributes):
        return trace_id(), traceparent()


@cache  # making one takes a fifth of what a span costs
def _tracer() -> trace.Tracer:
    return trace.get_tracer(_NAME)
