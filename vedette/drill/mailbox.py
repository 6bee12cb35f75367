"""A receiver of webhooks on loopback: it counts what it is told of each job, and answers as it is told to."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

MAX_BODY = 256 * 1024  # bytes; a notice has a few KiB
AGAIN_AFTER_S = 3  # what it asks for with each 503


class Mailbox:
    """Open from entering the block to leaving it.

    answers: the status for each of the next notices, in order; those that follow get 204.
    """

    def __init__(self) -> None:
        self.answers: list[int] = []
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()

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
        return f"http://127.0.0.1:{self._server.server_address[1]}/drill"

    def told(self, job_id: str) -> int:
        """Return how often it was told of a job."""
        with self._lock:
            return self._told[job_id]

    def take(self, body: bytes) -> int:
        """Count a notice and return the status it is answered with; what is none is not counted."""
        try:
            job_id = str(json.loads(body)["data"]["job_id"])
        except (ValueError, KeyError, TypeError):
            return 204
        with self._lock:
            self._told[job_id] += 1
            return self.answers.pop(0) if self.answers else 204


def _handler(box: Mailbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= MAX_BODY:
                self.send_error(413)
                return
            status = box.take(self.rfile.read(length))
            self.send_response(status)
            if status == 503:
                self.send_header("Retry-After", str(AGAIN_AFTER_S))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            del format, args

    return Handler
