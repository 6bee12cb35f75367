"""How full the broker is. A full one (`noeviction`) refuses new messages; those that it has can still be worked off."""

from __future__ import annotations

from dataclasses import dataclass

import redis


@dataclass(frozen=True)
class Memory:
    """Bytes that the broker uses, and may use; a limit of 0 is none."""

    used: int
    limit: int

    @property
    def fullness(self) -> float | None:
        """The used share, 0..1 and above, or None without a limit."""
        return self.used / self.limit if self.limit else None


def memory(client: redis.Redis) -> Memory:
    """Return how much memory the broker uses. Raises redis.RedisError."""
    found = client.info("memory")
    return Memory(int(found["used_memory"]), int(found.get("maxmemory") or 0))


def fullness(client: redis.Redis) -> float | None:
    """Return the used share of the memory that the broker may use, or None without a limit. Raises redis.RedisError."""
    return memory(client).fullness
