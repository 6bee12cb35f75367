"""A trace as views draw it: the spans of a job in the order of rows, what they add up to, and what is not known."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.job import Contract, JobState, StageName
from shared.contracts.record import SpanKind, SpanLink


class TraceFormat(StrEnum):
    TREE = "tree"  # equal siblings grouped
    SPANS = "spans"  # each span in a row of its own
    OTLP = "otlp"  # OTLP/JSON, as a collector takes it


class Segment(StrEnum):
    """What a span is. The pipeline's own say so (`vedette.segment`); those of other work have none, and are `work`."""

    JOB = "job"
    REQUEST = "request"
    SEND = "send"
    WAIT = "wait"
    BACKOFF = "backoff"
    RUN = "run"
    WORK = "work"


class SpanState(StrEnum):
    OK = "ok"
    ERROR = "error"
    LIVE = "live"  # not over yet: its duration is that until `as_of`
    LOST = "lost"  # whoever worked on it died; what is known of it is in the ledger alone


class Relation(StrEnum):
    """What another trace is to this one."""

    ORIGIN = "origin"  # of the job that this one repeats
    REPEAT = "repeat"  # of a job that repeats this one
    EARLIER_RUN = "earlier_run"  # of the same job
    LATER_RUN = "later_run"
    BATCH = "batch"  # of the request that made several jobs, among them this one
    JOB = "job"  # of one of the jobs that this request made


class SpanError(Contract):
    """Why a span failed. fingerprint: that of its dead letter.  message: fit to be shown, may be empty."""

    type: str = ""
    code: str = ""
    failure_class: str = ""
    fingerprint: str = ""
    message: str = ""


class Timed(Contract):
    """Parent of what has times: no number in it is infinite, or none."""

    model_config = ConfigDict(allow_inf_nan=False)


class Group(Timed):
    """Equal siblings in one row: how many, how long each took, and all of them together (one after the other)."""

    count: int = Field(ge=1)
    min_s: float
    median_s: float
    max_s: float
    total_s: float


class Span(Timed):
    """One row. Seconds; start_s counts from the beginning of the trace.

    parent_id: of the row that it is below, None for a job.  depth: 0 for a job.
    is_parent_missing: its own parent was never recorded, so it is below its job.
    is_from_ledger: nobody recorded it as a span; the ledger of steps tells of it.
    group: of a row that stands for several spans; it reaches from the first's beginning to the last's end.
    child_count: rows directly below.  links: other spans that it has to do with, such as the sending that led to it.
    attributes: by OpenTelemetry's semantic conventions, and `vedette.…`.
    """

    id: str
    parent_id: str | None = None
    depth: int = 0
    name: str
    kind: SpanKind = SpanKind.INTERNAL
    segment: Segment = Segment.WORK
    job_id: str = ""
    stage: StageName | None = None
    part: str = ""
    attempt: int = 0
    service: str = ""
    process: str = ""
    start_s: float
    duration_s: float
    state: SpanState = SpanState.OK
    error: SpanError | None = None
    group: Group | None = None
    child_count: int = 0
    is_critical: bool = False
    is_parent_missing: bool = False
    is_from_ledger: bool = False
    attributes: dict[str, Any] = {}
    links: list[SpanLink] = []


class Gap(Timed):
    """A time in which nobody worked, and nothing waited in a queue or for a retry."""

    start_s: float
    duration_s: float


class Stretch(Timed):
    """A piece of the critical path: the end of the job waited for this span then."""

    span_id: str
    start_s: float
    duration_s: float


class Totals(Timed):
    """Where the time went; the five add up to the duration of the trace.

    Each moment counts once: as worked where anybody worked, else as lost where somebody had begun who died, else as
    waited, else as backed off, else as idle.
    spans: how many there are, grouped ones each.  dropped: how many were made, but not kept.
    """

    ran_s: float = 0.0
    lost_s: float = 0.0
    waited_s: float = 0.0
    backed_off_s: float = 0.0
    idle_s: float = 0.0
    spans: int = 0
    errors: int = 0
    processes: int = 0
    dropped: int = 0


class TracedJob(Contract):
    """A job of a trace. run: see `JobView`."""

    id: str
    kind: str
    target: str
    state: JobState
    run: int = 1


class RelatedTrace(Contract):
    """Another trace, and what it is to this one. job_id: empty where it is that of a request."""

    relation: Relation
    trace_id: str
    job_id: str = ""


class Trace(Timed):
    """The trace of a job, or of the jobs of a request.

    spans: depth first, each after its parent; siblings by their beginning.
    ended_at: None while it is live.  as_of: when this was made.
    is_recorded: spans were recorded; else this is made of the ledger alone, and knows steps but nothing inside them.
    is_cut: there are more spans than are shown.
    gaps, critical_path: by their beginning; they do not overlap.
    """

    trace_id: str
    jobs: list[TracedJob]
    began_at: datetime
    ended_at: datetime | None = None
    as_of: datetime
    duration_s: float
    is_live: bool = False
    is_recorded: bool = False
    is_cut: bool = False
    totals: Totals = Totals()
    spans: list[Span]
    gaps: list[Gap] = []
    critical_path: list[Stretch] = []
    related: list[RelatedTrace] = []
