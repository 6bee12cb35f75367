"""One span while a trace is put together. Times: unix time in nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.contracts.job import Failure, StageName
from shared.contracts.record import SpanKind, SpanLink
from shared.contracts.trace import Segment, SpanError, SpanState

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """members: how long each of the spans took that it stands for; empty where it is one itself."""

    id: str
    name: str
    began: int
    ended: int
    parent: str = ""
    kind: SpanKind = SpanKind.INTERNAL
    segment: Segment = Segment.WORK
    job_id: str = ""
    stage: StageName | None = None
    part: str = ""
    attempt: int = 0
    service: str = ""
    process: str = ""
    state: SpanState = SpanState.OK
    error: SpanError | None = None
    is_from_ledger: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[SpanLink] = ()
    members: Sequence[int] = ()


def ns(at: datetime) -> int:
    """Return a moment as unix time in nanoseconds."""
    return round(at.timestamp() * 1_000_000) * 1000


def error_of(failure: Failure) -> SpanError:
    """Return a failure as the ledger tells it as the error of a span."""
    return SpanError(type=failure.code, code=failure.code, failure_class=failure.failure_class, message=failure.message)
