"""How much waits in the queues, how much is in workers' hands, and where a task is among it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from shared.broker import keys
from shared.broker.client import Script
from shared.broker.pause import Pause, read
from shared.contracts.dead_letter import MAX_RAW
from shared.contracts.lanes import ALL_LANES

CHUNK = 1000  # messages that Redis looks through in one step: some milliseconds

# Answers with the time, the unacknowledged by lane, and for each list its length and its oldest `x-queued-at` or ''.
# The oldest of a list is at one of its ends: lost messages are put back behind the others.
_SNAPSHOT = Script(r"""
local function queued_at(item)
  if not item or #item > tonumber(ARGV[1]) then return nil end
  return tonumber(string.match(item, '"x%-queued%-at": ?([%d%.]+)'))
end
local lists, held = {}, {}
for i = 2, #KEYS do
  local first, last = queued_at(redis.call('LINDEX', KEYS[i], -1)), queued_at(redis.call('LINDEX', KEYS[i], 0))
  local oldest = (first and last) and math.min(first, last) or first or last
  lists[#lists + 1] = redis.call('LLEN', KEYS[i])
  lists[#lists + 1] = oldest and string.format('%.6f', oldest) or ''
end
for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do
  held[#held + 1] = string.match(entry, '"([^"]*)"%]$') or ''
end
return {redis.call('TIME'), held, lists}
""")
# ARGV: first and last index; then the id of a task or '' for all. Answers with ids, or the place of the one.
_IDS = Script(r"""
local found = {}
for i, item in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do
  if ARGV[3] == '' then found[#found + 1] = string.match(item, '"id": ?"([^"]*)"') or ''
  elseif string.find(item, '"id": "' .. ARGV[3] .. '"', 1, true) then found[#found + 1] = i - 1 end
end
return found
""")
_HELD_IDS = Script(r"""
local found = {}
for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do
  found[#found + 1] = string.match(entry, '"id": ?"([^"]*)"') or ''
end
return found
""")


@dataclass(frozen=True)
class QueueDepth:
    """One lane. waiting: by priority (0 first).  oldest_age_s: of the oldest that waits, None where none does."""

    name: str
    waiting: Mapping[int, int]
    unacknowledged: int = 0
    oldest_age_s: float | None = None
    paused: Pause | None = None

    @property
    def total(self) -> int:
        return sum(self.waiting.values())


@dataclass(frozen=True)
class Snapshot:
    """All lanes at one moment."""

    lanes: Mapping[str, QueueDepth]
    paused: Mapping[str, Pause] = field(default_factory=dict)


def snapshot(client: redis.Redis, lanes: Sequence[str] = ALL_LANES) -> Snapshot:
    """Look at the lanes, in two round trips. Raises redis.RedisError."""
    names = [name for lane in lanes for name in keys.lists(lane)]
    (seconds, micros), held, lists = _SNAPSHOT.run(client, [keys.UNACKED, *names], [MAX_RAW])
    now = int(seconds) + int(micros) / 1e6
    paused = read(client.hgetall(keys.PAUSED))
    unacknowledged = [lane.decode(errors="replace") for lane in held]
    found = {}
    for place, lane in enumerate(lanes):
        own = lists[place * 2 * len(keys.STEPS) : (place + 1) * 2 * len(keys.STEPS)]
        ages = [now - float(queued) for queued in own[1::2] if queued]
        waiting = dict(zip(keys.STEPS, own[::2], strict=True))
        oldest = max(0.0, *ages) if ages else None
        found[lane] = QueueDepth(lane, waiting, unacknowledged.count(lane), oldest, paused.get(lane))
    return Snapshot(found, paused)


def position(client: redis.Redis, lane: str, task_id: str) -> int | None:
    """Return how many messages of its lane are served before a task's, or None where it does not wait there."""
    ahead = 0
    for name in keys.lists(lane):
        length = int(client.llen(name))
        for start, end in _chunks(length):
            if places := _IDS.run(client, [name], [start, end, task_id]):
                return int(ahead + length - 1 - (start + max(places)))
        ahead += length
    return None


def present(client: redis.Redis, lanes: Iterable[str] = ALL_LANES) -> set[str]:
    """Return the ids of all tasks that wait or are held.

    A message that moves meanwhile is found all the same: what is held is looked at before and after the queues.
    """
    found = set(_HELD_IDS.run(client, [keys.UNACKED]))
    for lane in lanes:
        for name in keys.lists(lane):
            for start, end in _chunks(int(client.llen(name))):
                found.update(_IDS.run(client, [name], [start, end, ""]))
    found.update(_HELD_IDS.run(client, [keys.UNACKED]))
    return {task_id.decode(errors="replace") for task_id in found} - {""}


def _chunks(length: int) -> Iterable[tuple[int, int]]:
    """First and last index of each part of a list. What is put in meanwhile moves the others to higher indexes."""
    for start in range(0, length, CHUNK):
        yield start, start + CHUNK - 1
