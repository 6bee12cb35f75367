"""Messages that a dead worker held, given back at once instead of after the visibility time-out.

Relies on kombu's Redis transport: `channel.unacked_key` is a hash of delivery tag to `[message, exchange, routing
key]`, and `qos.restore_by_tag` moves one of them back to its queue in a transaction. A test holds both.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from kombu import Connection


def reclaim(connection: Connection, queues: Collection[str]) -> int:
    """Put every unacknowledged message of `queues` back into its queue. Returns how many.

    Only for a worker that knows itself to be alone on these queues: another one's running tasks would run twice.
    """
    channel: Any = connection.default_channel
    with channel.conn_or_acquire() as client:
        held = client.hgetall(channel.unacked_key)
    tags = [tag.decode() for tag, message in held.items() if json.loads(message)[2] in queues]
    for tag in tags:
        channel.qos.restore_by_tag(tag)
    return len(tags)
