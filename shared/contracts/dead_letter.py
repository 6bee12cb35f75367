"""Dead letters: messages that are not tried again by themselves, why, and what may be done with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from shared.contracts.job import Contract, StageName, Written
from shared.errors import FailureClass
from shared.text import as_json

MAX_TRACEBACK = 20_000  # characters kept of a traceback: its end
MAX_RAW = 1024 * 1024  # bytes kept of a raw message
MAX_SAMPLE = 8 * 1024  # of one that anybody may have written
MAX_IDS = 1000  # dead letters named one by one in a selection
MAX_CHANGES = 16_384  # characters of the changes of a replay, as JSON
MAX_DEPTH = 8  # of what is in them


class Reason(StrEnum):
    """What made a message a dead letter."""

    STAGE_FAILED = "stage-failed"  # the stage failed for good; the ledger says so too
    TASK_FAILED = "task-failed"  # something around the stage failed
    HARD_LIMIT = "hard-limit"
    POISON = "poison"  # its deliveries kept ending with the death of who worked on it
    MESSAGE_LOST = "message-lost"  # sent again and again, and lost each time
    UNDECODABLE_ENVELOPE = "undecodable-envelope"  # an entry of the queue that is no message at all
    UNDECODABLE_BODY = "undecodable-body"
    NOT_A_TASK = "not-a-task"
    UNREGISTERED = "unregistered"
    INVALID = "invalid"  # a task message with arguments that cannot be
    MALFORMED = "malformed"  # a task message with headers that cannot be
    UNDELIVERABLE = "undeliverable"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad-signature"  # changed, moved to another task, job or organisation, or cut short
    STALE_KEY = "stale-key"  # signed with a key that is not there, or not any more
    MISPLACED = "misplaced"  # signed, but its body is of another job than it says


# Nothing that such a message says is believed: not whose it is, and so not that anything has failed.
UNVERIFIED = frozenset({Reason.UNSIGNED, Reason.BAD_SIGNATURE, Reason.STALE_KEY, Reason.MISPLACED})

# What anybody can make who reaches the broker, and as often as he likes.
BY_ANYBODY = UNVERIFIED | {Reason.UNDECODABLE_ENVELOPE, Reason.NOT_A_TASK}


class DeadLetterState(StrEnum):
    OPEN = "open"
    REPLAYING = "replaying"
    REPLAYED = "replayed"  # sent again; how that ended is not known yet
    RESOLVED = "resolved"  # the replay succeeded
    DISCARDED = "discarded"
    SNOOZED = "snoozed"
    QUARANTINED = "quarantined"  # poison: never replayed in bulk


class ErrorDetail(Contract):
    """What went wrong. `frames` are the top frames of our own code, `module:function`, innermost first."""

    type: str = ""
    code: str = ""
    message: str = ""
    cure: str = ""
    traceback: str = ""
    frames: list[str] = []


class DeadLetterEntry(Contract):
    """One dead letter on its way from a worker to SQL, in the stream `dlq:in`.

    rule: why this class was chosen.  deliveries: how often a worker had it.  memory_bytes: of the child at its death.
    run: of the job; 0: not known.  part: of a stage of which only that was to be done.
    """

    reason: Reason
    failure_class: FailureClass
    rule: str = ""
    queue: str = ""
    task: str = ""
    task_id: str = ""
    job_id: str | None = None
    org_id: str | None = None
    stage: StageName | None = None
    part: str = ""
    run: int = 0
    error: ErrorDetail = ErrorDetail()
    deliveries: int = 1
    retries: int = 0
    worker: str = ""
    memory_bytes: int | None = None
    traceparent: str = ""
    replay_of: str | None = None
    versions: dict[str, str] = {}
    at: datetime | None = None

    def fields(self, raw: bytes) -> dict[str, str | bytes]:
        """Return the fields of the stream entry; `raw` is the message as it was sent, of which `MAX_RAW` is kept."""
        return {"entry": as_json(self.model_dump(mode="json", exclude_defaults=True)), "raw": raw[:MAX_RAW]}

    @classmethod
    def read(cls, stream_id: str, fields: Mapping[bytes, bytes]) -> tuple[Self, bytes]:
        """Return what a stream entry holds: the entry and the raw message.

        A field `queue` overrules that of the entry; `at` is the time of the id where the entry has none.
        """
        made = cls.model_validate_json(fields[b"entry"])
        at = made.at or datetime.fromtimestamp(int(stream_id.partition("-")[0]) / 1000, UTC)
        queue = fields[b"queue"].decode("utf-8", "replace") if b"queue" in fields else made.queue
        return made.model_copy(update={"at": at, "queue": queue}), fields.get(b"raw", b"")


class DeadLetterView(Contract):
    """One dead letter as people see it. `count` letters of the same step were merged into it."""

    id: str
    org_id: str
    job_id: str | None = None
    target: str = ""
    stage: StageName | None = None
    part: str = ""
    queue: str = ""
    task: str = ""
    reason: Reason
    failure_class: FailureClass
    rule: str = ""
    is_poison: bool = False
    state: DeadLetterState
    error: ErrorDetail = ErrorDetail()
    fingerprint: str
    count: int = 1
    deliveries: int = 1
    retries: int = 0
    run: int = 1
    worker: str = ""
    memory_bytes: int | None = None
    trace_id: str = ""
    replay_of: str | None = None
    replays: int = 0
    versions: dict[str, str] = {}
    note: str = ""
    first_failed_at: datetime
    last_failed_at: datetime
    snoozed_until: datetime | None = None


class DeadLetterGroup(Contract):
    """Dead letters of one fingerprint: the same error of the same step. The newest is the sample."""

    fingerprint: str
    failure_class: FailureClass
    reason: Reason
    stage: StageName | None = None
    error_type: str = ""
    code: str = ""
    message: str = ""
    count: int
    open: int
    is_poison: bool = False
    sample_id: str
    first_failed_at: datetime
    last_failed_at: datetime


class ReplayMode(StrEnum):
    """As is: the stored message.  Edited: with `changes`.  From stage, whole: the job from there.  Skip: taken as done.

    To queue: the stored message into another lane.
    """

    AS_IS = "as-is"
    EDITED = "edited"
    FROM_STAGE = "from-stage"
    WHOLE = "whole"
    SKIP = "skip"
    TO_QUEUE = "to-queue"


def _bounded(changes: dict[str, Any]) -> dict[str, Any]:
    _check_depth(changes, MAX_DEPTH)
    if len(as_json(changes)) > MAX_CHANGES:
        raise ValueError(f"give at most {MAX_CHANGES} characters of changes")
    return changes


def _check_depth(value: object, left: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner and not left:
        raise ValueError(f"nest changes at most {MAX_DEPTH} deep")
    for each in inner:
        _check_depth(each, left - 1)


class Replay(Written):
    """How to replay. changes: what to set in the job's target or options, e.g. `{"ports": "1-100"}` (mode edited).

    result: the summary of a step that is taken as done (mode skip).  force: also what is quarantined; one by one only.
    """

    mode: ReplayMode = ReplayMode.AS_IS
    stage: StageName | None = None
    changes: Annotated[dict[str, Any], AfterValidator(_bounded)] = {}
    result: str = Field(default="", max_length=500)
    queue: str = Field(default="", max_length=64)
    force: bool = False


class Selection(Written):
    """Which dead letters: by ids, by query, by group (fingerprint), or all open ones. Exactly one of them."""

    ids: list[str] = Field(default=[], max_length=MAX_IDS)
    q: str | None = Field(default=None, max_length=1000)
    group: str | None = Field(default=None, max_length=64)
    all: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum((bool(self.ids), self.q is not None, self.group is not None, self.all)) != 1:
            raise ValueError("give exactly one of `ids`, `q`, `group` and `all`")
        return self


class BulkReplay(Written):
    """canary: replay so many first and wait for their ends.  rate: at most so many a second (0: as fast as possible).

    stop_at: stop when this share (0..1) of the replays that have ended failed again; looked at from five ends on.
    """

    selection: Selection
    how: Replay = Replay()
    canary: int = Field(default=0, ge=0, le=1000)
    rate: float = Field(default=0.0, ge=0.0, le=10_000.0, allow_inf_nan=False)
    stop_at: float = Field(default=1.0, ge=0.0, le=1.0, allow_inf_nan=False)
    dry_run: bool = False


class Verdict(Contract):
    """What became of one dead letter, or in a dry run what would. code: `ok`, or why not."""

    id: str
    job_id: str | None = None
    ok: bool
    code: str = "ok"
    detail: str = ""


class Forecast(Contract):
    """What a bulk action would do. `refused` counts by code; `samples` has one verdict of each code."""

    total: int
    ok: int
    refused: dict[str, int] = {}
    samples: list[Verdict] = []


class Rule(Contract):
    """A rule that overrules the classifier. Empty fields match everything; `contains` is a part of the message."""

    id: str = ""
    org_id: str = ""
    fingerprint: str = ""
    stage: str = ""
    error_type: str = ""
    code: str = ""
    contains: str = ""
    failure_class: FailureClass
    learned_from: str | None = None
    created_by: str = ""
    created_at: datetime | None = None
    hits: int = 0
