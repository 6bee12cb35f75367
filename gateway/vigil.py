"""Whether whoever holds a connection still may: credentials end and are taken away while it lasts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from gateway.auth import Caller, Forbidden
from shared.contracts.identity import Permission
from shared.errors import Infrastructure, Security

log = structlog.get_logger()

EVERY_S = 30.0


class Vigil:
    """Looks at the credentials again now and then. `state` is that of the ASGI scope."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.caller: Caller = state["caller"]
        self._again: Callable[[], Caller] = state["again"]
        self._at = time.monotonic() + EVERY_S

    async def look(self) -> None:
        """Look again, if it is time. Raises auth.Unauthorized or auth.Forbidden where they no longer hold."""
        if time.monotonic() < self._at:
            return
        self._at = time.monotonic() + EVERY_S
        try:
            found = await run_in_threadpool(self._ask)
        except Infrastructure as exc:  # what is told comes from there too
            log.warning("gateway.vigil.delayed", error=exc.code)
            return
        if found.org_id != self.caller.org_id or Permission.READ not in found.permissions:
            raise Forbidden("You may no longer read this.")

    def _ask(self) -> Caller:
        return self._again()

    async def over(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield chunks while the credentials hold."""
        async for chunk in chunks:
            try:
                await self.look()
            except Security as exc:
                log.info("gateway.stream.ended", error=exc.code, actor=self.caller.actor)
                return
            yield chunk
