"""What makes two failures the same: their fingerprint, and the frames of our own code in a traceback.

The same error of the same step has one fingerprint, whatever host, number or id its message names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import traceback
from collections.abc import Collection, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from shared import codec
from shared.contracts.dead_letter import MAX_TRACEBACK, UNVERIFIED, DeadLetterEntry, ErrorDetail, Reason
from shared.contracts.job import Failure, StageName
from shared.errors import FailureClass, VedetteError
from shared.keyring import Unverified
from shared.text import kept

TOP_FRAMES = 3  # of our own code; deeper ones say how we came there
MAX_FRAMES = 20  # kept with a dead letter
MAX_MESSAGE = 2000  # characters kept of a message
LENGTH = 16  # hexadecimal digits: 64 bits, so that two of a million letters share one with a chance of 1 in 10^7

_PURPOSE = "dead letter"
MAX_RUN = 1_000_000  # a greater number was not written by us

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TASK_ID = re.compile(rf"(?P<job>{_ID.pattern})\.(?P<stage>{'|'.join(StageName)})")
_OURS = ("services.", "shared.", "control.", "gateway.")
_AROUND = ("shared.layers", "shared.queue")  # around every stage, so they tell nothing


class StageFailed(Exception):
    """The stage failed for good; the ledger says why. What it holds goes into the dead letter of its message."""

    def __init__(self, failure_class: FailureClass, rule: str, error: ErrorDetail) -> None:
        super().__init__(failure_class, rule, error)  # in `args`, so that they reach the worker's parent
        self.failure_class = failure_class
        self.rule = rule
        self.error = error

    def __str__(self) -> str:
        return self.error.message

    @classmethod
    def recorded(cls, failure: Failure) -> StageFailed:
        """Return it as the ledger remembers it, for a message that finds its step failed."""
        error = ErrorDetail(code=failure.code, message=failure.message, cure=failure.cure)
        return cls(FailureClass(failure.failure_class), "the ledger says so", error)


def fingerprint(where: str, error: ErrorDetail, *, reason: str = "", names: Collection[str] = ()) -> str:
    """Return the fingerprint of a failure. The class is no part of it: reclassified letters stay in their group.

    An error of ours is known by its code, which the ledger remembers too; any other by its type and top frames.
    where: the stage, or the task or queue of what has none.  reason: counts where the error has no code and no type.
    names: of the target, which the message may hold in any form.
    """
    kind = [error.code] if error.code else [error.type or reason, *error.frames[:TOP_FRAMES]]
    parts = [where, normalised(error.message, names), *kind]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:LENGTH]


def normalised(message: str, names: Collection[str] = ()) -> str:
    """Return a message without what differs from one case to the next: quotations, hosts, addresses, ids, numbers."""
    text = message[:MAX_MESSAGE]
    for name in sorted({name for name in names if name}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "*", text, flags=re.IGNORECASE)
    for pattern in _VARIABLE:
        text = pattern.sub("*", text)
    return _REPEATED.sub("*", " ".join(text.split()))


def detail(exc: BaseException) -> ErrorDetail:
    """Return what a dead letter keeps of an exception."""
    return ErrorDetail(
        type=type(exc).__name__,
        code=exc.code if isinstance(exc, VedetteError) else "",
        message=kept((exc.message if isinstance(exc, VedetteError) else str(exc))[:MAX_MESSAGE]),
        cure=exc.cure if isinstance(exc, VedetteError) else "",
        traceback=kept("".join(traceback.format_exception(exc))[-MAX_TRACEBACK:]),
        frames=frames(exc.__traceback__),
    )


def frames(trace: TracebackType | None) -> list[str]:
    """Return the frames of our own code in a traceback, `module:function`, innermost first."""
    found = [
        (str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname) for frame, _ in traceback.walk_tb(trace)
    ]
    ours = [f"{module}:{name}" for module, name in found if module.startswith(_OURS) and not module.startswith(_AROUND)]
    return ours[::-1][:MAX_FRAMES]


def decoded(raw: bytes) -> dict[str, Any] | None:
    """Return the headers, properties and body of a raw message, or None where it is none.

    A body `[args, kwargs, embed]` that was sealed here is opened, JSON of others is read; what is neither is returned
    as it is. Whoever wants to believe it asks `verified`.
    """
    if (message := _message(raw)) is None:
        return None
    body: Any = verified(raw) or message.get("body")
    with suppress(ValueError, TypeError, RecursionError):
        body = json.loads(base64.b64decode(body, validate=True) if _is_base64(message) else body)
    return {"headers": message.get("headers"), "properties": message.get("properties"), "body": body}


def fields(entry: DeadLetterEntry, raw: bytes) -> dict[str, str | bytes]:
    """Return the fields of a dead letter's stream entry, signed: others could end the steps of jobs by it."""
    made = entry.fields(raw)
    return {**made, "signature": codec.sign(_PURPOSE, str(made["entry"]).encode())}


def is_ours(entry: DeadLetterEntry, signed: Mapping[bytes, bytes]) -> bool:
    """Whether to believe a stream entry: this installation wrote it, or it tells of no job and of no message."""
    if entry.reason is Reason.UNDECODABLE_ENVELOPE and not (
        entry.job_id or entry.org_id or entry.stage or entry.task_id
    ):
        return True  # what Redis itself takes out of a queue, where nobody can sign
    signature = signed.get(b"signature", b"").decode("utf-8", "replace")
    return codec.is_signed(_PURPOSE, signed[b"entry"], signature)


def verified(raw: bytes) -> Any:  # noqa: ANN401  whatever JSON can hold
    """Return the body of a raw message, or None where this installation has not sent it."""
    with suppress(Unverified, ValueError, RecursionError):
        return json.loads(codec.unseal_raw(_message(raw) or {}).body)
    return None


def owner(body: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return `job_id`, `org_id` and `run` of the body of a message that was verified, as far as they are there."""
    try:
        envelope = body[0][0]
        found = {name: envelope[name] for name in ("job_id", "org_id")}
        run = envelope.get("run", 1)
    except (TypeError, LookupError, AttributeError):
        return {}
    ids = {name: value for name, value in found.items() if isinstance(value, str) and 0 < len(value) <= 64}
    return ids | ({"run": run} if isinstance(run, int) and 0 < run < MAX_RUN else {})


def named(entry: DeadLetterEntry, raw: bytes) -> tuple[str | None, StageName | None, int]:
    """Return the job, stage and run of a dead letter, as far as the entry, its task's id or its message names them.

    A run of 0 is not known. Nothing is believed of a message that nobody here has signed.
    """
    if entry.reason in UNVERIFIED:
        return None, None, 0
    job_id, stage = entry.job_id, entry.stage
    if match := _TASK_ID.fullmatch(entry.task_id):
        job_id, stage = job_id or match["job"], stage or StageName(match["stage"])
    body = verified(raw)
    first = body[0][0] if isinstance(body, list) and body and isinstance(body[0], list) and body[0] else None
    if not isinstance(first, dict):
        return job_id, stage, entry.run
    if job_id is None and isinstance(first.get("job_id"), str) and _ID.fullmatch(first["job_id"]):
        job_id = first["job_id"]
    is_same, run = first.get("job_id") == job_id, first.get("run", 1)
    return job_id, stage, entry.run or (run if is_same and isinstance(run, int) and 0 < run < MAX_RUN else 0)


def _is_base64(message: dict[str, Any]) -> bool:
    properties = message.get("properties")
    return isinstance(properties, dict) and properties.get("body_encoding") == "base64"


def _message(raw: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


# Each in linear time, and in this order: what is quoted may hold anything, a URL holds a host, a host holds numbers.
_VARIABLE = (
    re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|“[^”\n]*”|«[^»\n]*»"),
    re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://\S+"),
    re.compile(r"[\w.+-]{1,64}@[\w.-]+"),
    re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    re.compile(r"(?<![\w:.])\[?(?:[0-9a-fA-F]{0,4}:){2,8}(?:[0-9a-fA-F]{1,4}|\d{1,3}(?:\.\d{1,3}){3})?(?:%\w+)?\]?"),
    re.compile(r"\b(?:[\w-]{1,63}\.){1,8}[a-zA-Z][\w-]{1,62}\b"),
    re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}\b"),
    re.compile(r"[-+]?\d+(?:[.,:/]\d+)*"),
)
_REPEATED = re.compile(r"\*(?:[\s,;:/.-]*\*)+")
