"""Clients of the WebSocket and of the event stream that read in a thread, as a browser would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from shared.testing import wait_for
from tests.gateway.driving import BEARER, Served


def dial(
    served: Served, path: str = "/ws", headers: dict[str, str] | None = BEARER, **options: Any
) -> ClientConnection:
    """Open a WebSocket of the gateway. Raises InvalidStatus."""
    url = f"ws://127.0.0.1:{served.http.base_url.port}{path}"
    return connect(
        url, additional_headers=headers, proxy=None, open_timeout=10, close_timeout=2, legacy=True, **options
    )


class Talker:
    """Whatever came so far, by type; how it ended."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ask(self, **message: object) -> None:
        self.socket.send(json.dumps(message))

    def subscribe(self, *topics: str, since: int | None = None) -> None:
        self.ask(op="subscribe", topics=topics, **({} if since is None else {"since": since}))
        wait_for(lambda: self.of("subscribed"), "the subscription")

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def wait(self, kind: str, which: Callable[[dict[str, Any]], object] = lambda _: True) -> dict[str, Any]:
        """Return the first message of a kind that fits, when it came."""
        wait_for(lambda: any(which(message) for message in self.of(kind)), f"{kind} in {self.messages[-5:]}", 15)
        return next(message for message in self.of(kind) if which(message))

    @property
    def ids(self) -> list[int]:
        """The ids of the kept events, in the order in which they came."""
        return [message["id"] for message in self.of("event") if message["id"]]

    def ended(self, timeout_s: float = 15) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def close(self) -> None:
        self.socket.close()
        self._thread.join(10)

    def _run(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                self.messages.append(json.loads(self.socket.recv()))
        self.code = self.socket.close_code


class Listener:
    """Reads `/api/v1/events` in a thread, as an EventSource would."""

    def __init__(self, served: Served, query: str, **headers: str) -> None:
        self.ids: list[int] = []
        self.messages: list[dict[str, Any]] = []
        self.status = 0
        self._thread = threading.Thread(target=self._run, args=(served, query, headers), daemon=True)
        self._thread.start()

    def ended(self, timeout_s: float = 15) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def wait(self, kind: str, which: Callable[[dict[str, Any]], object] = lambda _: True) -> dict[str, Any]:
        """Return the first message of a kind that fits, when it came."""
        wait_for(lambda: any(which(message) for message in self.of(kind)), f"{kind} in {self.messages[-5:]}", 15)
        return next(message for message in self.of(kind) if which(message))

    def _run(self, served: Served, query: str, headers: dict[str, str]) -> None:
        with served.http.stream("GET", f"/api/v1/events?{query}", headers=headers) as answer:
            self.status = answer.status_code
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.ids.append(int(value))
                elif name == "data":
                    self.messages.append(json.loads(value))
