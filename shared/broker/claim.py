"""Taking a message: one step in Redis, so that none is ever outside of its data structures.

A worker that dies at any instant has either not taken a message or left it in `unacked`, with a lease that runs out.
What is no message goes to the dead letters in the same step; lanes that are paused are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from shared.broker import keys
from shared.broker.client import Script
from shared.broker.message import undecodable
from shared.contracts.dead_letter import MAX_RAW

# KEYS: unacked, leases, dead letters, paused, then the lists in the order in which they are served.
# ARGV: greatest size of a message, then the dead letters of what is too large, no message, held already.
# The first write is RPOP, which a full server allows; after it, it allows the rest.
_CLAIM = Script(r"""
local function lane_of(list) return (string.gsub(list, '\006\022.*$', '')) end
local some_paused = redis.call('HLEN', KEYS[4]) > 0
local function is_open(lane) return not some_paused or redis.call('HEXISTS', KEYS[4], lane) == 0 end

local function wake_another(from)
  for i = from, #KEYS do
    local lane = lane_of(KEYS[i])
    if redis.call('LLEN', KEYS[i]) > 0 and is_open(lane) then
      if redis.call('LLEN', lane .. ':wake') == 0 then redis.call('LPUSH', lane .. ':wake', '1') end
      return
    end
  end
end

local function fault(item)
  if #item > tonumber(ARGV[1]) then return nil, ARGV[2] end
  local ok, message = pcall(cjson.decode, item)
  if not ok or type(message) ~= 'table' or type(message.properties) ~= 'table' then return nil, ARGV[3] end
  local tag = message.properties.delivery_tag
  if type(tag) ~= 'string' or #tag == 0 or #tag > 64 or string.find(tag, '[^ -~]') then return nil, ARGV[3] end
  if redis.call('HEXISTS', KEYS[1], tag) == 1 then return nil, ARGV[4] end
  return tag, nil
end

for i = 5, #KEYS do
  local lane = lane_of(KEYS[i])
  local item = is_open(lane) and redis.call('RPOP', KEYS[i])
  while item do
    local tag, entry = fault(item)
    if tag then
      local time = redis.call('TIME')
      redis.call('HSET', KEYS[1], tag, '[' .. item .. ',"",' .. cjson.encode(lane) .. ']')
      redis.call('ZADD', KEYS[2], time[1] + time[2] / 1000000, tag)
      wake_another(i)
      return {lane, tag, item}
    end
    redis.call('XADD', KEYS[3], '*', 'entry', entry, 'raw', string.sub(item, 1, tonumber(ARGV[1])), 'queue', lane)
    item = redis.call('RPOP', KEYS[i])
  end
end
return false
""")
_FAULTS = [
    undecodable("", message).fields(b"")["entry"]
    for message in (
        f"The entry of the queue has more than {MAX_RAW} bytes.",
        "The entry of the queue is not JSON with a delivery tag.",
        "Another message with the same delivery tag is being worked on.",
    )
]


@dataclass(frozen=True)
class Claimed:
    """A message that is ours now, as it lay in the queue."""

    lane: str
    tag: str
    raw: bytes


def claim(client: redis.Redis, lists: Sequence[str]) -> Claimed | None:
    """Take the next message of these lists, the first list first, or None. Raises redis.RedisError."""
    fixed = [keys.UNACKED, keys.LEASES, keys.DEAD_LETTERS, keys.PAUSED]
    if taken := _CLAIM.run(client, [*fixed, *lists], [MAX_RAW, *_FAULTS]):
        return Claimed(taken[0].decode(), taken[1].decode("utf-8", "surrogateescape"), taken[2])
    return None
