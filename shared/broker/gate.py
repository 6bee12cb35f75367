"""Lets a suspect run alone: what has been there at the death of two workers may have killed them.

Beside others it would take them along, and their deliveries would count as lost until they were poison as well.
Alone it harms nobody but itself; and what is innocent shows that by ending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from celery.worker import state

from shared.broker.message import is_suspect
from shared.broker.qos import is_stopping
from shared.broker.request import Request


class Gate:
    """Stands before the pool. begin: hands a request to it."""

    def __init__(self, begin: Callable[[Any], object]) -> None:
        self._begin = begin
        self._waiting: deque[Request] = deque()
        self._running: list[Request] = []

    def enter(self, request: Request) -> None:
        """Begin a request, now or when it may."""
        self._waiting.append(request)
        self.open()

    def open(self) -> None:
        """Begin what may begin by now. To be called several times a second: nobody tells that a suspect has ended."""
        self._running = [request for request in self._running if not request.acknowledged]
        while self._waiting and not is_stopping() and self._may_begin(self._waiting[0]):
            request = self._waiting.popleft()
            self._running.append(request)
            self._begin(request)

    def clear(self) -> None:
        """Forget what no child has yet: the connection that brought it is gone, so that it goes back."""
        self._waiting.clear()
        self._running = [request for request in self._running if request in state.active_requests]

    def _may_begin(self, request: Request) -> bool:
        return not self._running or not any(is_suspect(each.message.headers) for each in [request, *self._running])
