"""Logs and trace context. Every line carries the job and trace that it is about; one job is one trace.

Spans are made with the OpenTelemetry SDK; where they go is decided by whoever adds a span processor.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from shared.settings import Settings
from shared.text import inert

_NOISY = ("celery", "kombu", "amqp", "urllib3", "httpx2", "httpcore2", "faststream", "alembic", "sqlalchemy")


def start(service: str, settings: Settings) -> None:
    """Set up logs and traces of this process. `service` is its name in both."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": f"vedette-{service}"})))
    is_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared_steps: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.types.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if is_json
        # Its own choice of tracebacks shows local variables, and among them secrets.
        else [_inert, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
    )
    structlog.configure(
        processors=[*shared_steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[strip, *renderer], foreign_pre_chain=shared_steps)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


@contextmanager
def span(name: str, *, traceparent: str = "", **attributes: str | int | float) -> Iterator[trace.Span]:
    """A span around the block; its parent is `traceparent` where given, else the current span."""
    context = propagate.extract({"traceparent": traceparent}) if traceparent else None
    tracer = trace.get_tracer("vedette")
    with tracer.start_as_current_span(name, context=context, attributes=attributes) as current:
        yield current


def traceparent() -> str:
    """Return the W3C traceparent of the current span, or an empty string outside of one."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")


def trace_id() -> str:
    """Return the current trace id in hex, or an empty string outside of a span."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def new_trace(name: str, linked_to: str = "") -> tuple[str, str]:
    """Begin a trace that is linked to another (a traceparent; else the current span); return its id and traceparent."""
    other = propagate.extract({"traceparent": linked_to}) if linked_to else None
    link = trace.Link(trace.get_current_span(other).get_span_context())
    with trace.get_tracer("vedette").start_as_current_span(name, context=Context(), links=[link]):
        return trace_id(), traceparent()


def _add_trace(_logger: Any, _method: str, line: structlog.types.EventDict) -> structlog.types.EventDict:  # noqa: ANN401
    if found := trace_id():
        line["trace_id"] = found
    return line


def _inert(_logger: Any, _method: str, line: structlog.types.EventDict) -> structlog.types.EventDict:  # noqa: ANN401
    # What strangers sent is in messages of libraries and in values; JSON escapes it by itself.
    return {key: inert(value) if isinstance(value, str) else value for key, value in line.items()}


def _traceback(out: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Write a traceback of which every line is indented, so that none looks like an event of its own."""
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    out.writelines(f"\n  {inert(each)}" for each in plain.getvalue().strip("\n").split("\n"))
