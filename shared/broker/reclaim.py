"""Messages that a dead worker held, given back at once instead of when their leases have run out."""

from __future__ import annotations

from collections.abc import Collection

import redis

from shared.broker import keys, message
from shared.broker.holding import put_back


def reclaim(client: redis.Redis, lanes: Collection[str]) -> int:
    """Put every held message of `lanes` back into its queue, its delivery counted as lost. Returns how many.

    Only for a worker that knows itself to be alone on these lanes: another one's running tasks would run twice.
    Raises redis.RedisError.
    """
    held = client.hgetall(keys.UNACKED)
    tags = [_text(tag) for tag, entry in held.items() if _lane(entry) in lanes]
    return sum(put_back(client, tag, counted=True, why=message.Silence.ABANDONED) for tag in tags)


def _lane(entry: bytes | str) -> str:
    try:
        return message.read(entry).lane
    except message.Unreadable:
        return ""


def _text(tag: bytes | str) -> str:
    return tag.decode() if isinstance(tag, bytes) else tag
