"""What may become of a held message: its lease renewed, itself acknowledged, dead-lettered, or put back.

Each is one step in Redis, and does nothing where the message is no longer held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import redis

from shared import dlq
from shared.broker import keys, message
from shared.broker.client import Script, Value
from shared.contracts.dead_letter import MAX_RAW

_HELD = [keys.UNACKED, keys.LEASES]

# Each begins with a write that takes no memory: see Script.
_RENEW = Script("""
local time = redis.call('TIME')
local now, lost = time[1] + time[2] / 1000000, {}
redis.call('ZREM', KEYS[2], '')
for _, tag in ipairs(ARGV) do
  if redis.call('HEXISTS', KEYS[1], tag) == 1 then redis.call('ZADD', KEYS[2], now, tag)
  else lost[#lost + 1] = tag end
end
return lost
""")
_ACKNOWLEDGE = Script("""
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
""")
# ARGV: tag, the score that its lease must have or '', how much of a message to keep, then fields and values.
_BURY = Script(r"""
redis.call('ZREM', KEYS[2], '')
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then return 0 end
if ARGV[2] ~= '' and tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or -1) ~= tonumber(ARGV[2]) then return 0 end
local fields = {unpack(ARGV, 4)}
for i = 1, #fields, 2 do
  if fields[i] == 'raw' and fields[i + 1] == '' then
    local raw = string.match(held, '^%[(.*),"[^"]*","[^"]*"%]$') or held
    fields[i + 1] = string.sub(raw, 1, tonumber(ARGV[3]))
  end
end
local lane = string.match(held, '"([^"]+)"%]$')
if lane then fields[#fields + 1], fields[#fields + 2] = 'queue', lane end
redis.call('XADD', KEYS[3], '*', unpack(fields))
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
""")
# ARGV: tag, the score that its lease must have or '', the message, LPUSH (behind the others) or RPUSH (next).
_PUT_BACK = Script("""
redis.call('ZREM', KEYS[2], '')
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) return 0 end
if ARGV[2] ~= '' and tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or -1) ~= tonumber(ARGV[2]) then return 0 end
redis.call(ARGV[4], KEYS[3], ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('LLEN', KEYS[4]) == 0 then redis.call('LPUSH', KEYS[4], '1') end
return 1
""")


def renew(client: redis.Redis, tags: Collection[str]) -> set[str]:
    """Renew the leases of these messages, by the clock of Redis. Returns the tags that are held no more."""
    if not tags:
        return set()
    return {tag.decode() for tag in _RENEW.run(client, _HELD, list(tags))}


def is_held(client: redis.Redis, tag: str) -> bool:
    """Whether somebody has this message, or died with it so short a while ago that it has not come back yet."""
    return bool(client.hexists(keys.UNACKED, tag))


def acknowledge(client: redis.Redis, tag: str) -> bool:
    """Remove a message that is done with. False: it was held no more."""
    return bool(_ACKNOWLEDGE.run(client, _HELD, [tag]))


def bury(client: redis.Redis, tag: str, fields: Mapping[str, Value], score: str = "") -> bool:
    """Move a message to the dead letters. An empty field `raw` is filled with the message.

    score: only where its lease is still this old.  False: it was held no more.
    """
    flat = [word for field in fields.items() for word in field]
    return bool(_BURY.run(client, [*_HELD, keys.DEAD_LETTERS], [tag, score, MAX_RAW, *flat]))


def put_back(client: redis.Redis, tag: str, *, counted: bool, why: str = "", score: str = "") -> bool:
    """Put a message back into its queue, next in turn: whoever held it has waited already.

    One that was lost before goes behind the others, because it may be what kills; one that was lost `MAX_DELIVERIES`
    times goes to the dead letters. One whose time is still to come is not counted.
    why: what happened, without a full stop.  score: only where its lease is still this old.
    False: it was held no more.
    """
    entry = client.hget(keys.UNACKED, tag)
    if entry is None:
        client.zrem(keys.LEASES, tag)
        return False
    try:
        held = message.read(entry)
    except message.Unreadable as exc:
        return bury(client, tag, dlq.fields(message.undecodable("", str(exc)), b""), score)
    counted = counted and not held.is_scheduled(_now(client))
    if counted and held.deliveries >= message.MAX_DELIVERIES:
        return bury(client, tag, dlq.fields(message.given_up(held, why), b""), score)
    again = held.again(lost=(why or "unknown") if counted else "")
    is_suspect = counted and held.deliveries > 1
    place = [*_HELD, again.list, keys.wake(again.lane)]
    return bool(_PUT_BACK.run(client, place, [tag, score, again.raw, "LPUSH" if is_suspect else "RPUSH"]))


def _now(client: redis.Redis) -> float:
    seconds, microseconds = client.time()
    return float(seconds) + float(microseconds) / 1e6
