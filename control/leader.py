"""One leader at a time: a lock in the broker's database, renewed while its holder lives, with a token so that nobody
releases or extends the lock of somebody else.

A leader that froze may believe for a moment that it still leads; what it does is harmless, since every act of the
loops is a compare-and-set. The lock keeps work from being done twice, not from being wrong.
"""

from __future__ import annotations

import os
import socket
import time

import redis
import structlog

from shared.broker import keys
from shared.broker.client import Script
from shared.ids import new_id

log = structlog.get_logger()

MARGIN_S = 1.0  # the holder of the lock stops this long before its end, so that two never lead together

# Also on a full server, which only what the loops take away makes room in: see Script.
_CAMPAIGN = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")
_RESIGN = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class Leader:
    """This process's claim to lead. `term_s`: how long one claim holds without being renewed."""

    def __init__(self, client: redis.Redis, term_s: float = keys.LEAD_TERM_S) -> None:
        self._client = client
        self._term_s = term_s
        self._until = 0.0
        self.token = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"

    @property
    def leads(self) -> bool:
        return time.monotonic() < self._until

    def campaign(self) -> bool:
        """Take the lead where nobody has it, renew it where we have; return whether we lead now."""
        asked_at = time.monotonic()
        try:
            won = _CAMPAIGN.run(self._client, [keys.LEADER], [self.token, int(self._term_s * 1000)])
        except redis.RedisError as exc:
            log.warning("control.leader.unknown", error=type(exc).__name__, message=str(exc))
            return self.leads
        self._until = asked_at + self._term_s - min(MARGIN_S, self._term_s / 10) if won else 0.0
        return bool(won)

    def resign(self) -> None:
        """Give the lead up at once, for whoever stands by."""
        self._until = 0.0
        try:
            _RESIGN.run(self._client, [keys.LEADER], [self.token])
        except redis.RedisError as exc:
            log.warning("control.leader.unreleased", error=type(exc).__name__, message=str(exc))
