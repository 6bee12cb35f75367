"""How full the broker is. A full one (`noeviction`) refuses new messages; those that it has can still be worked off."""

from __future__ import annotations

import redis


def fullness(client: redis.Redis) -> float | None:
    """Return the used share of the memory that the broker may use, 0..1 and above, or None without a limit.

    Raises redis.RedisError.
    """
    memory = client.info("memory")
    limit = int(memory.get("maxmemory") or 0)
    return int(memory["used_memory"]) / limit if limit else None
