"""A receiver of webhooks on loopback that answers as it is told to."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

MAX_BODY = 256 * 1024  # bytes; a notice has a few KiB
AGAIN_AFTER_S = 3  # what it asks for when it is busy


class Receiver:
    """answers: the status of each POST, in order; those that follow are answered 204."""

    def __init__(self) -> None:
        self.answers: list[int] = []

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
            status = receiver.answers.pop(0) if receiver.answers else 204
            self.send_response(status)
            if status == 503:
                self.send_header("Retry-After", str(AGAIN_AFTER_S))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            del format, args

    return Handler
