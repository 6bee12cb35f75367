"""What a task message must look like before Celery may see it: with anything else, its main process would fail.

Celery's protocol 2, JSON, no compression; a stage's message carries exactly one envelope. Checked before a child is
occupied, so that a bad message costs nobody a place.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from kombu.message import Message
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared import codec
from shared.contracts.dead_letter import Reason
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName

STAGE_TASKS = {f"{stage}.run": stage for stage in StageName}
BUILT_IN = "celery."  # Celery registers tasks of its own that run others; nobody here sends them
YEARS = range(2000, 2200)  # times outside of it overflow somewhere in Celery
FARTHEST = timedelta(days=8)  # what is due later would lie in a worker's memory until then


class Unsound(Exception):
    """A message that no worker can work with. `type` names the exception that said so, if one did."""

    def __init__(self, reason: Reason, message: str, exception: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.type = exception


def _is_time(text: str) -> str:
    moment = datetime.fromisoformat(text)
    due = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if due.year not in YEARS:
        raise ValueError("not a time of this century or the next")
    if due - datetime.now(UTC) > FARTHEST:
        raise ValueError(f"more than {FARTHEST.days} days ahead")
    return text


_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Seconds = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class _Headers(BaseModel):
    """The headers that Celery's main process reads. A job's deadline is in its envelope: `expires` drops silently."""

    model_config = ConfigDict(strict=True)

    task: _Name
    id: _Name
    timelimit: Annotated[list[_Seconds | None], Field(min_length=2, max_length=2)] | None = None
    eta: Annotated[str, AfterValidator(_is_time)] | None = None
    expires: None = None
    retries: Annotated[int, Field(ge=0, le=1_000_000)] | None = 0
    shadow: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None
    ignore_result: bool | None = None
    compression: None = None


class _Embed(BaseModel):
    model_config = ConfigDict(strict=True)

    chain: list[dict[str, Any]] | None = None
    callbacks: list[dict[str, Any]] | None = None
    errbacks: list[dict[str, Any]] | None = None
    chord: dict[str, Any] | None = None


def check_is_task(message: Message) -> None:
    """Return where the message says that it is of a task. Raises Unsound."""
    if not isinstance(message.headers, dict) or "task" not in message.headers:
        raise Unsound(Reason.NOT_A_TASK, "The message has no header that names a task.")


def check(message: Message, known: Collection[str]) -> None:
    """Return where a worker that has the tasks `known` can work with the message. Raises Unsound."""
    check_is_task(message)
    try:
        task = _Headers.model_validate(message.headers).task
    except ValidationError as exc:
        raise Unsound(Reason.MALFORMED, f"The headers cannot be: {_said(exc)}.", "ValidationError") from exc
    if not isinstance(message.delivery_info, dict) or not isinstance(message.properties, dict):
        raise Unsound(Reason.MALFORMED, "The properties of the message are no mappings.")
    if task not in known or task.startswith(BUILT_IN):
        raise Unsound(Reason.UNREGISTERED, f"No task {task!r} is registered with this worker.", "NotRegistered")
    _check_body(message, STAGE_TASKS.get(task))


def _check_body(message: Message, stage: StageName | None) -> None:
    body = decoded(message)
    if not isinstance(body, list) or len(body) != 3:
        raise Unsound(Reason.INVALID, "The body is not [arguments, keyword arguments, the rest of the chain].")
    arguments, keywords, embed = body
    if not isinstance(arguments, list) or not isinstance(keywords, dict):
        raise Unsound(Reason.INVALID, "The arguments are no list, or the keyword arguments no mapping.")
    if stage is not None and (len(arguments) != 1 or keywords):
        raise Unsound(Reason.INVALID, f"A stage takes one envelope, not {len(arguments)} and {len(keywords)} keywords.")
    try:
        _Embed.model_validate(embed or {})
        if stage is not None:
            Envelope.model_validate(arguments[0])
    except ValidationError as exc:
        raise Unsound(Reason.INVALID, f"The arguments cannot be: {_said(exc)}.", "ValidationError") from exc


def decoded(message: Message) -> Any:  # noqa: ANN401  whatever JSON can hold
    """Return the body. Raises Unsound."""
    if message.content_type != codec.JSON:  # kombu would let others choose a codec
        raise Unsound(Reason.UNDECODABLE_BODY, f"The body is said to be {str(message.content_type)[:100]!r}, not JSON.")
    try:
        return message.payload
    except Exception as exc:
        raise Unsound(Reason.UNDECODABLE_BODY, f"The body cannot be decoded: {exc}"[:500], type(exc).__name__) from exc


def _said(exc: ValidationError) -> str:
    """Which fields, and why; without what was in them."""
    first = [f"{'.'.join(map(str, error['loc'][:4]))[:80]}: {error['msg']}" for error in exc.errors()[:3]]
    return "; ".join(first)
