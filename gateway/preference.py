"""`Prefer: wait=20` (RFC 7240): a request that began something, or asks for it, is answered when that is over.

A wait holds no thread and no connection to the database. `Preference-Applied` says how long it would have been.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import stream
from gateway.live import Live
from shared.contracts.job import JobView
from shared.store.engine import DatabaseAway

MAX_WAIT_S = 60
ASK_AGAIN_S = 1  # what `Retry-After` says of what was begun
FIRST_LOOK_S = 0.1  # after so long, and then after twice as long each time
LOOK_S = 2.0  # the longest between two looks
_WAIT = re.compile(r"""(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?(?:$|[,;\s])""", re.IGNORECASE)
Thing = TypeVar("Thing")

Prefer = Annotated[
    str, Header(max_length=1000, description="`wait=20` answers when it is over, or after so many seconds (60).")
]


class Preference:
    """How long the caller prefers to wait: `wait_s`, 0 for not at all."""

    def __init__(self, request: Request, response: Response, prefer: Prefer = "") -> None:
        found = _WAIT.search(prefer)
        self.wait_s = min(int(found[1]), MAX_WAIT_S) if found else 0
        self.headers = {"Preference-Applied": f"wait={self.wait_s}"} if self.wait_s else {}
        response.headers.update(self.headers)
        self._live: Live = request.app.state.live

    async def job(self, org_id: str, job_id: str) -> JobView:
        """Return the job when it is over, or as it is after the wait."""
        return await stream.finished(self._live, org_id, job_id, self.wait_s)

    async def met(self, read: Callable[[], Thing], is_over: Callable[[Thing], bool]) -> Thing:
        """Return what `read` does when it is over, or as it is after the wait. `read` runs in a thread.

        A database that goes away meanwhile costs knowledge alone: the last that was read is returned.
        """
        until, pause_s = time.monotonic() + self.wait_s, FIRST_LOOK_S
        found = await run_in_threadpool(read)
        while True:
            left_s = until - time.monotonic()
            if is_over(found) or left_s <= 0 or self._live.is_closing:
                return found
            await self._live.pause(min(pause_s, left_s))
            pause_s = min(pause_s * 2, LOOK_S)
            with suppress(DatabaseAway):
                found = await run_in_threadpool(read)

    def status(self, *, is_over: bool) -> int:
        """Return the status of the answer to what was begun: 200 where it was waited for and is over, else 202."""
        return 200 if self.wait_s and is_over else 202


def begun(place: str, status: int) -> dict[str, str]:
    """Return the headers that say where what was begun is, and, while it goes on (202), when to ask for it."""
    return {"Location": place} | ({"Retry-After": str(ASK_AGAIN_S)} if status == 202 else {})


Preferring = Annotated[Preference, Depends(Preference)]


def done(model: Any) -> dict[int | str, dict[str, Any]]:  # noqa: ANN401  a model or a union of them
    """Return the documentation of routes that begin something: what they answer where it is over in time."""
    return {200: {"model": model, "description": "It is over within the time that `Prefer: wait` gave"}}
