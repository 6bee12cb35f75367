"""What a client can send that is too large, too deep, or meant for somebody who reads the log."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from gateway import openapi
from gateway.app import create_app
from tests.gateway.attacked import KNOWN, POST, Gateway, attacked, read
from tests.gateway.driving import TOKEN, Served
from tests.gateway.talking import Talker, dial

MANY = 30 * 1024 * 1024
SLACK = 24 * 1024 * 1024  # bytes that a gateway may grow by while it refuses
FORGED = "2026-11-25T12:00:00.000000Z [info     ] forged"
STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u2028\u202e"
DEEP = [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"target":' * 100_000 + b"1" + b"}" * 100_000]
ROOT_FILES = ["../../../../etc/passwd", "..", "../html", "....//html", "/etc/passwd", "html\0.json", "html/../json"]


@pytest.fixture(params=["json", "console"])
def gateway(request: pytest.FixtureRequest, store: None, tmp_path: Path) -> Iterator[Gateway]:
    with attacked(tmp_path / "gateway.log", log_format=request.param) as made:
        yield made


def test_thirty_megabytes_that_are_declared_are_refused_before_they_are_sent(gateway: Gateway) -> None:
    for known, status in ((KNOWN, b"413"), (b"", b"401")):
        started = time.monotonic()
        with gateway.connect() as link:
            link.sendall(POST + known + f"Content-Length: {MANY}\r\n\r\n".encode())
            assert link.recv(65536).startswith(b"HTTP/1.1 " + status)  # of the body, nothing was sent
        assert time.monotonic() - started < 5
    assert gateway.answers()


def test_thirty_megabytes_that_just_come_are_not_kept(gateway: Gateway) -> None:
    before = gateway.memory()
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with gateway.connect() as link:
        with suppress(ConnectionError):
            link.sendall(POST + KNOWN + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(MANY // 0x10000):
                link.sendall(piece)
        answer = read(link)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")  # a reset may overtake it
    assert gateway.memory() - before < SLACK
    assert gateway.answers()
    assert "Traceback" not in gateway.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("deep", DEEP, ids=["open", "lists", "objects"])
def test_no_route_that_takes_a_body_falls_into_a_deep_one(client: TestClient, deep: bytes) -> None:
    bodies = 0
    for path, methods in openapi.document(create_app(TOKEN))["paths"].items():
        for method in (name for name, operation in methods.items() if "requestBody" in operation):
            filled = re.sub(r"\{.*?\}", "x", path)
            started = time.monotonic()
            answer = client.request(method, filled, content=deep, headers={"Content-Type": "application/json"})
            assert 400 <= answer.status_code < 500, f"{method} {path}: {answer.status_code}"
            assert time.monotonic() - started < 2, f"{method} {path}"
            bodies += 1
    assert bodies > 10


def test_a_deep_message_on_a_socket_is_a_mistake_like_others(served: Served) -> None:
    talker = Talker(dial(served))
    talker.socket.send("[" * 1_000)
    talker.socket.send('{"op":' * 500)
    assert talker.wait("error")["code"] == "malformed-message"
    talker.ask(op="ping")
    talker.wait("pong")
    talker.close()


def test_nothing_that_is_sent_makes_a_line_of_the_log_or_steers_a_terminal(gateway: Gateway) -> None:
    evil = f"x\r\n{FORGED}{STEERING}"
    coded = quote(evil, safe="").encode()
    raw = evil.replace("\r\n", "").encode()
    lines = [
        b"GET /" + coded + b" HTTP/1.1\r\nHost: localhost\r\n" + KNOWN,
        b"GET /api/v1/jobs/" + coded + b" HTTP/1.1\r\nHost: localhost\r\n" + KNOWN,
        b"GET /api/v1/jobs?q=" + coded + b"&cursor=" + coded + b" HTTP/1.1\r\nHost: localhost\r\n" + KNOWN,
        b"GET /" + raw.replace(b" ", b"_") + b" HTTP/1.1\r\nHost: localhost\r\n" + KNOWN,
        b"GET /ws?topic=" + coded + b" HTTP/1.1\r\nHost: localhost\r\n" + KNOWN,
        b"GET /livez HTTP/1.1\r\nHost: " + raw + b"\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-a: " + raw + b"\r\n",
        *(
            b"GET /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n" + name + b": " + raw + b"\r\n"
            for name in (b"Authorization", b"Cookie", b"User-Agent", b"traceparent", b"X-Forwarded-For", b"Origin")
        ),
        _posted(b"/api/v1/jobs", {"target": {"kind": "host", "host": evil}}),
        _posted(b"/api/v1/jobs", {"target": {"kind": evil}, "tags": {"a": evil}, evil: 1}),
        _posted(b"/api/v1/targets:check", {"targets": [{"kind": "host", "host": evil}]}),
        _posted(b"/api/v1/login", {"email": evil, "password": evil}),
        evil.encode(),
    ]
    for line in lines:
        with gateway.connect() as link, suppress(ConnectionError):
            link.sendall(line if b"\r\n\r\n" in line else line + b"Connection: close\r\n\r\n")
            read(link)
    assert gateway.answers()
    said = gateway.log.read_bytes().decode()
    assert not set(said) & set("\r\x1b\x9b\x07\u2028\u202e")
    assert not [line for line in said.splitlines() if line.startswith(FORGED)]
    assert "Traceback" not in said
    assert len(said.splitlines()) > len(lines) / 2


@pytest.mark.parametrize("name", ROOT_FILES)
def test_a_report_is_found_by_its_format_and_no_path_leads_elsewhere(client: TestClient, job: str, name: str) -> None:
    coded = quote(name, safe="").replace(".", "%2E")  # else the client itself goes up
    for written in (coded, quote(coded, safe="")):
        for path in (f"/api/v1/jobs/{job}/reports/{written}", f"/api/v1/jobs/{written}/reports/html"):
            answer = client.get(path)
            assert answer.status_code in {404, 405, 422}, path
            assert "root:" not in answer.text


@pytest.mark.parametrize("name", [*ROOT_FILES, "json\n", "html<script>"])
def test_a_format_that_is_a_path_is_refused_when_it_is_asked_for(client: TestClient, name: str) -> None:
    answer = client.post("/api/v1/jobs", json={"target": {"kind": "host", "host": "127.0.0.1"}, "reports": [name]})
    assert answer.status_code == 422


@pytest.fixture
def job(make_job: Any) -> str:
    return str(make_job())


def _posted(path: bytes, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + KNOWN
    return head + f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content
