"""The inner work of a stage as spans: few, and cheap. What fails in one is told by its class, code and fingerprint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from structlog.contextvars import get_contextvars

from shared import telemetry
from shared.dlq import detail, fingerprint
from shared.errors import classify
from shared.telemetry.attributes import Attributes

NOTABLE_S = 0.005
ADDRESS = "server.address"


@contextmanager
def work(
    name: str, attributes: Attributes | None = None, *, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[trace.Span]:
    """A span of work inside the current one; without text of its errors, which may hold secrets.

    Of the target only what `server.address` says is left out of the fingerprint, as in that of a dead letter.
    """
    with telemetry.span(name, attributes, kind=kind) as current:
        try:
            yield current
        except Exception as exc:
            if current.is_recording():
                _mark(current, exc, str((attributes or {}).get(ADDRESS, "")))
            raise


@contextmanager
def notable_work(name: str, attributes: Attributes) -> Iterator[None]:
    """A span of the block if it took `NOTABLE_S`, or failed: of pieces that are many and most often nothing."""
    began = time.time()
    try:
        yield
    except Exception:
        with work(name, attributes):
            raise
    if (ended := time.time()) - began >= NOTABLE_S:
        telemetry.past(name, began, ended, attributes)


def _mark(current: trace.Span, exc: Exception, address: str) -> None:
    error = detail(exc)
    known = {"vedette.error.class": str(classify(exc)), "vedette.error.code": error.code or "internal"}
    known["vedette.error.fingerprint"] = fingerprint(str(get_contextvars().get("stage", "")), error, names=[address])
    telemetry.fail(current, error.type, "", known)
