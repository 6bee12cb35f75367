"""The laboratory of the command line's tests: a real gateway, and what a command did."""

from __future__ import annotations

import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shared import testing
from vedette.client import Client
from vedette.refusals import GatewayFailed

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-tests"


@dataclass
class Lab:
    """The running gateway. `release` is the file that lets held jobs go on."""

    folder: Path
    port: int
    environment: dict[str, str]
    stoppable: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def release(self) -> Path:
        return self.folder / "release"

    def start(self) -> None:
        run = [sys.executable, "-m", "gateway"]
        self.stoppable.enter_context(testing.process(run, self.environment, self.folder / "gateway.log", cwd=ROOT))
        testing.wait_for(self._answers, "the gateway answers")

    def stop(self) -> None:
        self.stoppable.close()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/livez", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


Vedette = Callable[..., Ran]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_driver(lab: Lab) -> None:
    def takes_jobs() -> bool:
        with Client(lab.url, TOKEN) as client:
            try:
                receipt = client.submit([{"kind": "host", "host": "127.0.0.1", "ports": "1"}])
            except GatewayFailed:
                return False
            return client.wait(receipt.jobs[0].id, 30).state == "succeeded"

    testing.wait_for(takes_jobs, "the driver carries out a job")


Handle = Callable[[BaseHTTPRequestHandler], object]


@contextmanager
def answering(handle: Handle) -> Iterator[str]:
    """A server that answers every request as `handle` does; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                handle(self)
            except OSError:
                return  # the client had enough

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, kind: str = "application/json") -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Location", "http://127.0.0.1:1/")
    handler.end_headers()
    handler.wfile.write(body)
