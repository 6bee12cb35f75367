"""Logs: one line is one event, as JSON or for people, and carries the job and trace that it is about."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, TextIO

import structlog

from shared.settings import Settings
from shared.telemetry.propagation import trace_id
from shared.text import inert

_NOISY = ("celery", "kombu", "amqp", "urllib3", "httpx2", "httpcore2", "faststream", "alembic", "sqlalchemy")


def start(service: str, settings: Settings) -> None:
    """Set up the logs of this process. `service` is its name in them."""
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
