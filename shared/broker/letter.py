"""Dead letters as the worker's main process writes them: it has the raw message and sees every outcome."""

from __future__ import annotations

import platform
from typing import Any

import celery
from kombu.message import Message

from shared import dlq
from shared.broker import message as raw
from shared.broker.presence import VERSION
from shared.broker.shape import Unsound, decoded
from shared.contracts.dead_letter import DeadLetterEntry
from shared.keyring import Unverified

VERSIONS = {"vedette": VERSION, "celery": celery.__version__, "python": platform.python_version()}


def bury(message: Message, **fields: Any) -> bool:  # noqa: ANN401  those of DeadLetterEntry
    """Move a message to the dead letters, in one step with its acknowledgement. False: it was ours no more.

    fields: of `DeadLetterEntry`; what the message says of itself is added.
    """
    known = {**raw.described(message.headers), **identity(message), "versions": VERSIONS}
    entry = DeadLetterEntry(**{**known, **fields})
    qos: Any = message.channel.qos  # type: ignore[union-attr]  # a received message has a channel
    was_ours: bool = qos.dead_letter(message.delivery_tag, dlq.fields(entry, b""))
    settled(message)
    return was_ours


def refuse(message: Message, why: Unverified, *, worker: str) -> bool:
    """Move a message that cannot be verified to the dead letters. False: it was ours no more."""
    return bury(message, **raw.refused(message.headers, why).model_copy(update={"worker": worker}).__dict__)


def settled(message: Message, state: str = "REJECTED") -> None:
    """Note that a message is over, so that kombu refuses to acknowledge it once more."""
    open_message: Any = message  # its stubs lack the state
    open_message._state = state


def identity(message: Message) -> dict[str, Any]:
    """Return the ids of job and organisation, and the run, that the message carries, as far as they can be believed."""
    try:
        return dlq.owner(decoded(message))
    except Unsound:
        return {}
