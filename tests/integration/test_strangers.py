"""A server that answers with attacks, scanned, judged, reported and told of by the four real services."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.contracts.job import JobState, StageName
from shared.contracts.submission import Options
from shared.pipeline import submit
from shared.store import jobs, reports
from shared.store.engine import reading
from tests.integration.conftest import Stack, built
from tests.shared.store.making import make, new_job

FORMATS = ["html", "json", "csv", "pdf"]
MARK = "7c3f"
ATTACK = (
    f'=cmd|"calc"!A0 <script>alert("{MARK}")</script><img src=x onerror=alert(1)> {{{{7*7}}}} '
    '#read("/etc/passwd") #import "/etc/passwd": * \x1b]0;owned\x07\x1b[31m \x9b31m \u202e'
).encode()
FORGED = b'\r\n{"event": "job.forged", "level": "info"}\r\n2026-11-25T12:00:00.000000Z [info     ] forged'
HTTP = (
    b"HTTP/1.1 200 OK\r\nServer: Apache/2.2.3 " + ATTACK + b"\r\nX-Powered-By: PHP/5.2 " + ATTACK + b"\r\n"
    b"Set-Cookie: a=b; " + ATTACK + b"\r\nLocation: http://169.254.169.254/\r\nConnection: close\r\n\r\n"
    b"<html><title>" + ATTACK.replace(b"<", b"&lt;") + b"</title>" + ATTACK
)
SSH = b"SSH-1.99-OpenSSH_4.3 " + ATTACK + FORGED + b"\r\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[str, Path], str]) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("strangers")
    with built(folder, new_database("sqlite", folder)) as made:
        made.start(*(stage.value for stage in StageName))
        yield made


@pytest.fixture
def ports() -> Iterator[list[int]]:
    """Three servers of somebody who means harm: a page, a greeting of SSH, a greeting of nothing known."""
    with contextlib.ExitStack() as held:
        yield [held.enter_context(_saying(said)) for said in (HTTP, SSH, ATTACK + FORGED)]


def test_what_a_server_answers_stays_text_all_the_way(stack: Stack, ports: list[int]) -> None:
    new = new_job(
        options=Options(reports=FORMATS, tags={"team": "=1+1<script>\u202e\x9b"}), parts={StageName.REPORT: FORMATS}
    )
    target = new.target.model_copy(update={"ports": ",".join(map(str, ports))})
    [job_id] = make(jobs.NewJob(**{**new.__dict__, "target": target}))
    submit([job_id])
    assert stack.ended(job_id).state is JobState.SUCCEEDED
    with reading() as connection:
        written = {name: reports.content(connection, job_id, name)[1] for name in FORMATS}

    assert MARK in written["json"].decode(), "the attack has arrived"
    for name in ("html", "json", "csv"):
        assert not set(written[name].decode()) & set("\x1b\x07\x9b\u202e"), name
    html = written["html"].decode()
    assert "&lt;script&gt;" in html
    assert not [sign for sign in ("<script", "<img", "<iframe", " onerror=alert(1)>") if sign in html]
    for row in csv.reader(io.StringIO(written["csv"].decode("utf-8-sig"), newline="")):
        assert not [cell for cell in row if cell.lstrip("\"' ").startswith("=") and not cell.startswith("'")]
    typeset = _text(written["pdf"])
    assert "root:x:" not in typeset
    assert '#read("/etc/passwd")' in " ".join(typeset.split())

    [told] = stack.receiver.of(job_id)
    assert told["state"] == "succeeded"
    for log in stack.folder.glob("*.log"):
        said = log.read_bytes().decode()
        assert not set(said) & set("\x1b\x07\x9b\u202e"), log.name
    assert "job.forged" not in {line.get("event") for line in stack.lines()}


@contextlib.contextmanager
def _saying(what: bytes) -> Iterator[int]:
    """A server that says the same to everybody, and hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with contextlib.suppress(OSError), peer:
                        peer.settimeout(2)
                        peer.sendall(what)
                        peer.shutdown(socket.SHUT_WR)
                        while peer.recv(65536):
                            pass

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _text(pdf: bytes) -> str:
    if shutil.which("pdftotext") is None:
        assert os.environ.get("VEDETTE_TEST_ALL") != "1", "pdftotext is not installed"
        pytest.skip("pdftotext is not installed")
    command = ["pdftotext", "-enc", "UTF-8", "-", "-"]
    return subprocess.run(command, input=pdf, capture_output=True, timeout=30, check=True).stdout.decode()
