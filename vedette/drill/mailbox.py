"""A receiver of webhooks on loopback that counts what it is told of each job."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

MAX_BODY = 256 * 1024  # bytes; a notice has a few KiB


class Mailbox:
    """Answers 204 to every POST, from entering the block to leaving it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="drill-mailbox")
        self._thread.daemon = True
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

    def take(self, body: bytes) -> None:
        """Count a notice; what is none is passed over."""
        try:
            job_id = str(json.loads(body)["data"]["job_id"])
        except (ValueError, KeyError, TypeError):
            return
        with self._lock:
            self._told[job_id] += 1


def _handler(box: Mailbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= MAX_BODY:
                self.send_error(413)
                return
            box.take(self.rfile.read(length))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            del format, args

    return Handler
