"""Lanes from which nobody takes messages, although everybody may put some in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import redis

from shared.broker import keys
from shared.broker.client import Script

# Both also on a full server: see Script.
_PAUSE = Script("""
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
""")
_RESUME = Script("""
local was_paused = redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('LLEN', KEYS[2]) == 0 then redis.call('LPUSH', KEYS[2], '1') end
return was_paused
""")


@dataclass(frozen=True)
class Pause:
    """Who stopped a lane, when (unix time, seconds) and why."""

    by: str
    at: float
    reason: str = ""

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


def pause(client: redis.Redis, lane: str, by: str, reason: str = "") -> None:
    """Stop a lane. What workers hold already goes on. Raises redis.RedisError."""
    seconds, _ = client.time()
    _PAUSE.run(client, [keys.PAUSED], [lane, json.dumps(asdict(Pause(by, float(seconds), reason)))])


def resume(client: redis.Redis, lane: str) -> bool:
    """Let a lane go on. False: it was not paused."""
    return bool(_RESUME.run(client, [keys.PAUSED, keys.wake(lane)], [lane]))


def paused(client: redis.Redis) -> dict[str, Pause]:
    """Return the lanes that are paused."""
    return read(client.hgetall(keys.PAUSED))


def read(entries: Mapping[bytes | str, bytes | str]) -> dict[str, Pause]:
    """Read the hash `paused`. An entry that is not ours stops its lane all the same."""
    return {_text(lane): _pause(entry) for lane, entry in entries.items()}


def _pause(entry: bytes | str) -> Pause:
    try:
        fields = json.loads(entry)
        return Pause(str(fields["by"]), float(fields["at"]), str(fields.get("reason", "")))
    except (ValueError, TypeError, LookupError, AttributeError):
        return Pause("", 0.0, _text(entry)[:200])


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
