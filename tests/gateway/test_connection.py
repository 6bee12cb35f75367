from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import connection
from shared.testing import wait_for
from tests.gateway.attacked import GET, KNOWN, POST, Gateway, attacked, read
from tests.gateway.driving import BEARER, Served

FILES = 160  # what `ulimit -n` gives the process: room for 32 connections
PLACES = 32
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"


@pytest.fixture
def gateway(store: None, tmp_path: Path) -> Iterator[Gateway]:
    with attacked(tmp_path / "gateway.log", ["/bin/sh", "-c", f'ulimit -n {FILES}; exec "$0" "$@"']) as made:
        yield made


@pytest.fixture
def link(served: Served) -> Iterator[socket.socket]:
    with connect(served) as made:
        yield made


def connect(served: Served) -> socket.socket:
    return socket.create_connection(served.server.servers[0].sockets[0].getsockname()[:2], timeout=20)


def problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert b"x-content-type-options: nosniff" in head
    found: dict[str, Any] = json.loads(body)
    return found


def test_no_request_without_end_is_kept_in_memory(gateway: Gateway) -> None:
    before = gateway.memory()
    attacks = [
        (GET, b"X-a: b\r\n" * 8192),
        (GET + b"X-a: ", b"a" * 65536),
        (b"GET /", b"a" * 65536),
        (CHUNKED + b"0\r\n", b"X-a: b\r\n" * 8192),
        (CHUNKED + b"0\r\nX-a: ", b"a" * 65536),
        (CHUNKED + b"1;", b"a" * 65536),
    ]
    for start, part in attacks:
        with gateway.connect() as link, suppress(ConnectionError):
            link.sendall(start)
            for _ in range(512):  # 32 MiB
                link.sendall(part)
    assert gateway.memory() - before < 24 * 1024 * 1024
    assert gateway.answers()
    assert "Traceback" not in gateway.log.read_text(encoding="utf-8")


def test_half_open_connections_take_no_place_from_others(gateway: Gateway) -> None:
    with ExitStack() as held:
        links = [held.enter_context(gateway.connect()) for _ in range(5 * PLACES)]
        for link in links:
            with suppress(ConnectionError):
                link.sendall(GET)
        assert gateway.answers()
        files = list(Path(f"/proc/{gateway.process.pid}/fd").iterdir())
        assert len(files) < FILES
        assert problem(read(links[0]))["code"] == "too-many-connections"
    assert "Traceback" not in gateway.log.read_text(encoding="utf-8")


def test_a_gateway_full_of_streams_says_so(gateway: Gateway, make_job: Callable[..., str]) -> None:
    job = make_job().encode()
    with ExitStack() as held:
        for _ in range(PLACES):
            link = held.enter_context(gateway.connect())
            link.sendall(b"GET /api/v1/jobs/" + job + b"/events HTTP/1.1\r\nHost: localhost\r\n" + KNOWN + b"\r\n")
            assert b"200 OK" in link.recv(65536)
        with gateway.connect() as link:
            answer = read(link)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in answer
    assert problem(answer)["retryable"]
    wait_for(gateway.answers, "a place is free again")


@pytest.mark.parametrize("lines", [b"X-a: b\r\n" * 101, b"X-a: " + b"b" * 100_000 + b"\r\n"])
def test_a_head_beyond_the_limits_is_431(link: socket.socket, lines: bytes) -> None:
    link.sendall(GET + lines + b"\r\n")
    answer = read(link)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert problem(answer)["code"] == "headers-too-large"


def test_a_head_within_the_limits_is_answered(link: socket.socket) -> None:
    link.sendall(GET + b"X-a: b\r\n" * 97 + b"X-long: " + b"b" * 60_000 + b"\r\nConnection: close\r\n\r\n")
    assert read(link).startswith(b"HTTP/1.1 200 OK\r\n")


def test_bytes_that_are_not_http_are_a_problem(link: socket.socket) -> None:
    link.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01")
    answer = read(link)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert problem(answer)["code"] == "malformed-request"


def test_two_lengths_of_a_body_are_none(link: socket.socket) -> None:
    link.sendall(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
    assert problem(read(link))["code"] == "malformed-request"


def test_thirty_megabytes_are_refused_before_they_come(link: socket.socket) -> None:
    bearer = f"Authorization: {BEARER['Authorization']}\r\n".encode()
    link.sendall(POST + bearer + b"Content-Length: 31457280\r\n\r\n")
    assert problem(read(link))["code"] == "body-too-large"


def test_pipelined_requests_are_answered_up_to_a_number(served: Served) -> None:
    with connect(served) as link:
        link.sendall((GET + b"\r\n") * 8 + GET + b"Connection: close\r\n\r\n")
        assert read(link).count(b"200 OK") == 9
    with connect(served) as link:
        link.sendall((GET + b"\r\n") * 300)
        assert read(link).count(b"200 OK") < 300


def test_a_pipelined_attack_ends_the_stream_before_it(served: Served, make_job: Callable[..., str]) -> None:
    follow = f"GET /api/v1/jobs/{make_job()}/events HTTP/1.1\r\nHost: localhost\r\n".encode()
    with connect(served) as link:
        link.sendall(follow + KNOWN + b"\r\n")
        assert b"200 OK" in link.recv(65536)
        link.sendall(GET + b"\r\n" + GET + b"X-a: b\r\n" * 101)
        assert b"HTTP/1.1 431" not in read(link)
    wait_for(lambda: not served.server.server_state.tasks, "the stream has ended")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.5)
    monkeypatch.setattr(connection, "BODY_TIMEOUT_S", 0.5)


@pytest.mark.parametrize("first", [b"", GET + b"\r\n"], ids=["first", "kept-alive"])
def test_a_head_that_drips_is_408(hurried: None, link: socket.socket, first: bytes) -> None:
    link.sendall(first)
    if first:
        assert b"200 OK" in link.recv(65536)
    assert problem(dripped(link, GET + b"X-a: " + b"a" * 1000))["code"] == "request-timeout"


def test_a_body_that_drips_is_408(hurried: None, link: socket.socket) -> None:
    answer = dripped(link, POST + KNOWN + b"Content-Length: 1000\r\n\r\n" + b" " * 1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "body" in problem(answer)["detail"]


def test_a_body_that_drips_after_its_refusal_ends_with_the_connection(hurried: None, link: socket.socket) -> None:
    answer = dripped(link, POST + b"Content-Length: 1000\r\n\r\n" + b" " * 1000)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"408" not in answer


def test_a_connection_that_says_nothing_ends_without_an_answer(hurried: None, link: socket.socket) -> None:
    assert read(link) == b""


def test_a_stream_outlives_the_time_limits(hurried: None, link: socket.socket, make_job: Callable[..., str]) -> None:
    link.sendall(f"GET /api/v1/jobs/{make_job()}/events HTTP/1.1\r\nHost: localhost\r\n".encode() + KNOWN + b"\r\n\r\n")
    assert b"200 OK" in link.recv(65536)
    link.settimeout(1.5)
    with pytest.raises(TimeoutError):  # that is, it stays open
        read(link)


def dripped(link: socket.socket, request: bytes) -> bytes:
    """Send the head of `request` at once and the rest byte by byte, and return all that is answered."""
    cut = request.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in request else len(GET)
    link.sendall(request[:cut])

    def drip() -> None:
        with suppress(OSError):
            for byte in request[cut:]:
                link.sendall(bytes([byte]))
                time.sleep(0.02)

    dripping = threading.Thread(target=drip)
    dripping.start()
    answer = read(link)
    link.close()
    dripping.join()
    return answer
