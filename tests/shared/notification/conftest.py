"""A notice, a receiver of webhooks on loopback, and certificates that this test run trusts."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from shared.contracts.finding import Severity
from shared.contracts.job import JobState
from shared.contracts.notice import Highlight, Notice


@pytest.fixture
def notice() -> Notice:
    return Notice(
        job_id="01928e1c-0000-7000-8000-000000000001",
        org_id="01928e1c-0000-7000-8000-000000000002",
        kind="host",
        target="db1.example",
        state=JobState.SUCCEEDED,
        score=71,
        grade="C",
        severities={"critical": 1, "high": 3, "low": 2},
        new=2,
        fixed=1,
        highlights=[
            Highlight(severity=Severity.HIGH, title="TLS 1.0 is offered", subject="db1.example:443"),
            Highlight(severity=Severity.CRITICAL, title="Redis needs no password", subject="db1.example:6379"),
        ],
        gaps=1,
        reports=["pdf", "json"],
        report_url="https://vedette.example/jobs/01928e1c",
        finished_at=datetime(2026, 11, 22, 7, 30, tzinfo=UTC),
    )


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server that keeps what it was sent and answers as `answer` says."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)  # SNI of each TLS connection
    answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: reply(handler, 204)

    def answers(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.answer = lambda handler: reply(handler, status, body, **headers)


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    yield from _serve(Receiver(), None)


@pytest.fixture
def tls_receiver(authority: trustme.CA) -> Iterator[Receiver]:
    receiver = Receiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("receiver.example").configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: receiver.names.append(name)
    yield from _serve(receiver, context)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that OpenSSL trusts in this process, as SSL_CERT_FILE makes it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def _serve(receiver: Receiver, tls: ssl.SSLContext | None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(Request(self.path, dict(self.headers), body))
            receiver.answer(self)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """Clients that go away early are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()
