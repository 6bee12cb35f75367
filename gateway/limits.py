"""How often a caller may ask: a moving window of one minute for each user and foreign key of an organisation.

ASGI middleware behind `Auth`. Known callers are told where they are, as of draft-ietf-httpapi-ratelimit-headers-10.
The limits of organisations and members are read anew every few seconds.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from limits import RateLimitItemPerMinute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.auth import Caller
from gateway.window import Windows
from shared.contracts.limits import Limits
from shared.errors import Infrastructure, Temporary
from shared.store import quotas
from shared.store.engine import reading

POLICY = "minute"
WINDOW_S = 60
FRESH_S = 5.0  # a changed limit holds after this
KNOWN = 10_000  # callers whose limit is remembered


class TooManyRequests(Temporary):
    """The caller asked more often than allowed within a minute."""

    status = 429

    def __init__(self, limit: int, wait_s: float) -> None:
        super().__init__(f"More than {limit} requests came within a minute.", cure="Wait, then ask less often.")
        self.headers = {"Retry-After": str(max(1, round(wait_s)))}


class RateLimit:
    """Counts the requests of known callers, and refuses those above their limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._windows = Windows()
        self._bounds = _Bounds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        if scope["type"] != "http" or caller is None:
            await self._app(scope, receive, send)
            return
        found = await run_in_threadpool(self._counted, caller)
        if found is None:
            await self._app(scope, receive, send)
            return
        limit, left, wait_s, is_within = found
        if not is_within:
            refused = TooManyRequests(limit, wait_s)
            refused.headers |= _told(limit, 0, wait_s)
            raise refused

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"]).update(_told(limit, left, wait_s))
            await send(message)

        await self._app(scope, receive, telling)

    def _counted(self, caller: Caller) -> tuple[int, int, float, bool] | None:
        """Count a request; return the limit, what is left of it, when that changes, and whether it is within."""
        limit = self._bounds.of(caller)
        if limit is None:
            return None
        item = RateLimitItemPerMinute(limit)
        is_within = self._windows.hit(item, "requests", caller.org_id, caller.counted_for)
        left, wait_s = self._windows.left(item, "requests", caller.org_id, caller.counted_for)
        return limit, left, wait_s, is_within


class _Bounds:
    """The limit of each caller, remembered for `FRESH_S`; while the store is away, what was known."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, int | None]] = {}

    def of(self, caller: Caller) -> int | None:
        whose = caller.org_id, caller.counted_for
        with self._lock:
            at, limit = self._known.get(whose, (0.0, quotas.defaults().requests_per_minute))
        if time.monotonic() < at:
            return limit
        with suppress(Infrastructure):
            limit = _limit(caller)
        with self._lock:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[whose] = (time.monotonic() + FRESH_S, limit)
        return limit


def _limit(caller: Caller) -> int | None:
    with reading(caller.org_id) as connection:
        held = quotas.limits(connection, caller.org_id)
    mine = held.members.get(caller.counted_for, Limits())
    # The installation's own token is that of its operator and scripts: nothing but a limit that somebody set holds it.
    return held.own.requests_per_minute if caller.is_own else mine.within(held.org).requests_per_minute


def _told(limit: int, left: int, wait_s: float) -> dict[str, str]:
    return {
        "RateLimit-Policy": f'"{POLICY}";q={limit};w={WINDOW_S}',
        "RateLimit": f'"{POLICY}";r={left};t={max(0, round(wait_s))}',
    }
