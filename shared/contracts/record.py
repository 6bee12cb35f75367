"""What a process records of jobs while it works: spans and log lines, as they go over the bus into the store."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.contracts.job import Contract
from shared.contracts.logs import LineRecord


class SpanKind(StrEnum):
    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanLink(Contract):
    """Another span that this one has to do with."""

    trace_id: str
    span_id: str


class SpanRecord(Contract):
    """One span that has ended. Ids are hex; times unix time in nanoseconds.

    error: why it failed, empty where it did not.  attributes: by OpenTelemetry's semantic conventions, and `vedette.…`.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str
    kind: SpanKind = SpanKind.INTERNAL
    began_ns: int
    ended_ns: int
    is_error: bool = False
    error: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)  # quicker than a copy of one, and there are thousands
    links: list[SpanLink] = Field(default_factory=list)


class RecordBatch(Contract):
    """What one process recorded of one trace of a job, or of a request that made several (job_id empty).

    id: of the batch, so that one that comes twice is kept once.  process: `host:pid`.
    dropped: how many spans were too many.  unsaid: how many lines.
    """

    id: str
    org_id: str
    job_id: str = ""
    service: str
    process: str
    spans: list[SpanRecord] = []
    dropped: int = 0
    lines: list[LineRecord] = []
    unsaid: int = 0
