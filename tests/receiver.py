"""An HTTP server on loopback that keeps what it was sent. It is told of jobs, and it is what they scan."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Receiver:
    """Open for a `with` block."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.address = address
        self.told: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.told.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["data"])
                self.send_response(204)
                self.end_headers()

            def do_GET(self) -> None:
                self.send_error(404)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None: ...  # whoever was killed did not say good-bye

        self.server = Server((address, port), Handler)
        self.port = int(self.server.server_address[1])

    def of(self, job_id: str) -> list[dict[str, Any]]:
        return [told for told in list(self.told) if told["job_id"] == job_id]

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
