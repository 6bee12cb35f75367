"""Waiting messages taken out of a lane without a worker: looked at first, removed when it is known what they are.

A message is removed and buried in one step, so a crash in between leaves it in its lane.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from shared import codec, dlq
from shared.broker import keys
from shared.broker.client import Script, Value
from shared.broker.message import refused, undecodable
from shared.contracts.dead_letter import DeadLetterEntry
from shared.keyring import Unverified

# KEYS: list, dead letters. ARGV: message, its dead letter or '', what is kept of it, the signature.
# A full server allows LREM first.
_REMOVE = Script("""
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
if ARGV[2] ~= '' then redis.call('XADD', KEYS[2], '*', 'entry', ARGV[2], 'raw', ARGV[3], 'signature', ARGV[4]) end
return 1
""")


@dataclass(frozen=True)
class Waiting:
    """A message that waits, as it lies in its list."""

    list: str
    raw: bytes

    @property
    def task_id(self) -> str:
        """The id of its task, or nothing where it is no message, or none that this installation has sent."""
        try:
            message = json.loads(self.raw)
            found = message["headers"]["id"]
            codec.unseal_raw(message)
        except (ValueError, TypeError, LookupError, RecursionError, Unverified):
            return ""
        return found if isinstance(found, str) else ""

    def refusal(self, lane: str) -> DeadLetterEntry | None:
        """Return the dead letter of what this installation has not sent, or None where it has."""
        try:
            message = json.loads(self.raw)
            codec.unseal_raw(message)
        except Unverified as exc:
            headers = message.get("headers") if isinstance(message, dict) else None
            return refused(headers, exc).model_copy(update={"queue": lane})
        except (ValueError, RecursionError) as exc:
            return undecodable(lane, "The entry of the queue is no message.", type(exc).__name__)
        return None


def peek(client: redis.Redis, lane: str, limit: int, skip: int = 0) -> list[Waiting]:
    """Return up to `limit` waiting messages of a lane after the first `skip`, those that are served first first."""
    found: list[Waiting] = []
    for name in keys.lists(lane):
        length = int(client.llen(name))
        end = length - skip
        if end > 0:
            start = max(0, end - (limit - len(found)))
            items: list[Any] = client.lrange(name, start, end - 1)
            found += [Waiting(name, raw) for raw in reversed(items)]
        skip = max(0, skip - length)
        if len(found) >= limit:
            break
    return found


def every(client: redis.Redis, lane: str, step: int = 200) -> Iterator[list[Waiting]]:
    """Yield all waiting messages of a lane in parts, those that are served first first. It may miss what moves."""
    seen = 0
    while found := peek(client, lane, step, seen):
        yield found
        seen += len(found)


def remove(client: redis.Redis, message: Waiting, entry: DeadLetterEntry | None = None) -> bool:
    """Take a message out, to the dead letters where there is an entry. False: it does not wait any more."""
    buried: dict[str, str | bytes] = (
        dlq.fields(entry, message.raw) if entry else {"entry": "", "raw": b"", "signature": ""}
    )
    arguments: list[Value] = [message.raw, buried["entry"], buried["raw"], buried["signature"]]
    return bool(_REMOVE.run(client, [message.list, keys.DEAD_LETTERS], arguments))
