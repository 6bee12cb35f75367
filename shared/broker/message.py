"""What a raw message says of itself, and how it is counted. JSON in, JSON out.

JSON is encoded here and never in Lua: cjson turns [] into {} and big numbers into floats.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared import codec, dlq
from shared.broker import keys
from shared.contracts.dead_letter import DeadLetterEntry, ErrorDetail, Reason
from shared.contracts.job import StageName
from shared.errors import FailureClass
from shared.keyring import Unverified

MAX_DELIVERIES = 4  # after so many lost ones a message is poison
MOST = 1_000_000  # a greater count is a lie, and may fit into no column
_CURE = "Find out who writes into the broker's database; the step of the job is sent again by itself."
SUSPECT_DEATHS = 2  # of whole workers; half of what is allowed, so that an innocent neighbour has the other half


class Silence(StrEnum):
    """Why a delivery was lost with its whole worker. Which of that worker's messages was the reason is not known."""

    EXPIRED = "the worker that had it fell silent"
    ABANDONED = "its worker ended without a word"


class Unreadable(ValueError):
    """The text is no message."""


@dataclass(frozen=True)
class Held:
    """A message in a worker's hands, and the lane that it came from."""

    payload: dict[str, Any]
    lane: str

    @property
    def raw(self) -> bytes:
        return json.dumps(self.payload).encode()

    @property
    def list(self) -> str:
        return keys.waiting(self.lane, _whole(self.payload["properties"].get("priority"), 0))

    @property
    def deliveries(self) -> int:
        """How often it was delivered, as far as deliveries were lost: 1 is the first."""
        return max(1, _whole(_headers(self.payload).get(keys.DELIVERIES), 1))

    def is_scheduled(self, now_s: float) -> bool:
        """Whether its time is still to come: whoever holds it cannot have begun."""
        try:
            due = datetime.fromisoformat(str(_headers(self.payload).get("eta")))
        except ValueError:
            return False
        return (due if due.tzinfo else due.replace(tzinfo=UTC)).timestamp() > now_s

    def again(self, *, lost: str = "") -> Held:
        """Return it as it goes back to its queue; `lost` says why the delivery was lost, where that counts.

        Its tag is a new one, so that whoever held it before can no longer acknowledge it.
        """
        headers = {**_headers(self.payload), "redelivered": True, keys.RETURNED_AT: time.time()}
        if lost:
            headers |= {keys.DELIVERIES: self.deliveries + 1, keys.LAST_DEATH: lost}
        if isinstance(lost, Silence):
            headers |= {keys.WORKER_DEATHS: _worker_deaths(headers) + 1}
        info = self.payload["properties"].get("delivery_info")
        known = info if isinstance(info, dict) else {}
        properties = {
            **self.payload["properties"],
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {**known, "redelivered": True},
        }
        return Held({**self.payload, "headers": headers, "properties": properties}, self.lane)


def read(entry: bytes | str) -> Held:
    """Read an entry of `unacked`. Raises Unreadable."""
    try:
        payload, _, lane = json.loads(entry)
        if isinstance(payload["properties"]["delivery_tag"], str) and isinstance(lane, str):
            return Held(payload, lane)
    except (ValueError, TypeError, LookupError, RecursionError) as exc:
        raise Unreadable(f"no message: {type(exc).__name__}") from exc
    raise Unreadable("no message: its delivery tag is no text")


def is_suspect(headers: object) -> bool:
    """Whether a message was there when worker after worker died."""
    return isinstance(headers, dict) and _worker_deaths(headers) >= SUSPECT_DEATHS


def given_up(held: Held, why: str) -> DeadLetterEntry:
    """Return the dead letter of a message that nobody could work on, and so perhaps nobody has verified."""
    try:
        opened = codec.unseal_raw(held.payload)
    except Unverified as exc:  # what it says must not end the step of a job
        return refused(held.payload.get("headers"), exc).model_copy(update={"queue": held.lane})
    known = {}
    with suppress(ValueError, RecursionError):
        known = dlq.owner(json.loads(opened.body))
    return poison(held, why).model_copy(update=known)


def poison(held: Held, why: str) -> DeadLetterEntry:
    """Return the dead letter of a message whose deliveries were all lost."""
    lost = f"Delivered {held.deliveries} times, and lost each time. The last time: {why}."
    return DeadLetterEntry(
        reason=Reason.POISON,
        failure_class=FailureClass.RESOURCE,
        rule="deliveries",
        queue=held.lane,
        error=ErrorDetail(type="DeliveriesLost", message=lost, code="deliveries-lost"),
        **described(held.payload.get("headers")),
    )


def described(headers: object) -> dict[str, Any]:
    """Return what headers say, as far as they can be believed, as fields of a dead letter."""
    known = headers if isinstance(headers, dict) else {}
    task, task_id = _text(known.get("task")), _text(known.get("id"))
    job_id, stage, part = (*task_id.split(".", 2), "", "")[:3]
    is_stage = bool(job_id) and task == f"{stage}.run" and stage in set(StageName)
    return {
        "task": task,
        "task_id": task_id,
        "job_id": job_id if is_stage else None,
        "stage": StageName(stage) if is_stage else None,
        "part": part if is_stage else "",
        "deliveries": min(max(1, _whole(known.get(keys.DELIVERIES), 1)), MOST),
        "retries": min(max(0, _whole(known.get("retries"), 0)), MOST),
        "traceparent": _text(known.get("traceparent")),
        "replay_of": _text(known.get(keys.REPLAY_OF)) or None,
    }


def refused(headers: object, why: Unverified) -> DeadLetterEntry:
    """Return the dead letter of a message that cannot be verified: of no job, whatever it says."""
    said = described(headers) | {"job_id": None, "stage": None, "part": "", "replay_of": None, "traceparent": ""}
    return DeadLetterEntry(
        reason=Reason(why.code),
        failure_class=FailureClass.SECURITY,
        rule="signature",
        error=ErrorDetail(type=type(why).__name__, code=why.code, message=why.message, cure=why.cure or _CURE),
        **said,
    )


def undecodable(lane: str, message: str, exception: str = "") -> DeadLetterEntry:
    """Return the dead letter of an entry of a queue that is no message."""
    return DeadLetterEntry(
        reason=Reason.UNDECODABLE_ENVELOPE,
        failure_class=FailureClass.PERMANENT,
        rule="envelope",
        queue=lane,
        error=ErrorDetail(type=exception, message=message),
    )


def _worker_deaths(headers: dict[str, Any]) -> int:
    return max(0, _whole(headers.get(keys.WORKER_DEATHS), 0))


def _headers(payload: dict[str, Any]) -> dict[str, Any]:
    headers = payload.get("headers")
    return headers if isinstance(headers, dict) else {}


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""
