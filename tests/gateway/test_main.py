from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared import testing
from shared.settings import settings
from shared.testing import wait_for
from tests.gateway.driving import TOKEN, finish

COMMAND = [sys.executable, "-m", "gateway"]


@pytest.fixture
def process(store: None, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """The gateway as it is run: a process on a port of loopback, and its log."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "gateway.log"
    with testing.process(COMMAND, {"VEDETTE_GATEWAY_PORT": str(port)}, log) as running:
        wait_for(lambda: answers(port), "the gateway answers")
        yield running, port, log


def answers(port: int) -> bool:
    try:
        return b"200 OK" in raw(port, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    except OSError:
        return False


def raw(port: int, request: str) -> bytes:
    """Return all that a connection gives until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(request.encode())
        return b"".join(iter(lambda: link.recv(65536), b""))


def follow(job_id: str) -> str:
    return (
        f"GET /api/v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    )


def test_a_real_process_streams_a_job_and_ends_when_told(
    process: tuple[subprocess.Popen[bytes], int, Path], make_job: Callable[..., str]
) -> None:
    running, port, log = process
    job_id = make_job()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(follow(job_id).encode())
        seen = link.recv(65536)
        finish(job_id)
        while chunk := link.recv(65536):
            seen += chunk
    head, _, body = seen.partition(b"\r\n\r\n")
    assert b"content-type: text/event-stream" in head
    assert b"\r\nserver:" not in head.lower()
    assert body.count(b"event: job.finished") == 1
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(follow(make_job()).encode())
        assert b"200 OK" in link.recv(65536)
        started = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) in {0, -signal.SIGTERM}
        assert time.monotonic() - started < 5
    written = log.read_text(encoding="utf-8")
    assert '"event": "gateway.request.done"' in written
    assert TOKEN not in written
    assert "Traceback" not in written


def test_a_gateway_without_a_master_key_refuses_to_start_and_says_how_to_make_one() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VEDETTE_")}
    environment["VEDETTE_TOKEN"] = TOKEN
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert "VEDETTE_MASTER_KEY" in done.stderr
    assert "Traceback" not in done.stderr
    settings.cache_clear()


def test_a_gateway_without_a_token_refuses_to_start_and_says_what_to_do() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VEDETTE_")}
    environment["VEDETTE_MASTER_KEY"] = testing.MASTER_KEY
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert "VEDETTE_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    settings.cache_clear()
