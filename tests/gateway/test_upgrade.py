"""What a hostile WebSocket may cost: slow handshakes, readers that do not read, floods below the level of messages."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from gateway import connection, conversation, upgrade
from shared.contracts.events import EventType
from shared.store import timeline
from shared.store.engine import writing
from shared.store.timeline import Fact
from shared.testing import wait_for
from tests.gateway.driving import TOKEN, Served
from tests.gateway.talking import dial

HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    f"Authorization: Bearer {TOKEN}\r\n\r\n"
).encode()
TEXT, CONTINUATION, PING = 1, 0, 9


@pytest.fixture(autouse=True)
def links() -> Iterator[list[socket.socket]]:
    """The connections of a test, closed after it."""
    yield _links
    while _links:
        _links.pop().close()


_links: list[socket.socket] = []


def raw(served: Served, first: bytes = HANDSHAKE) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", served.http.base_url.port or 0), timeout=10)
    _links.append(link)
    link.sendall(first)
    return link


def upgraded(served: Served) -> socket.socket:
    link = raw(served)
    assert link.recv(4096).startswith(b"HTTP/1.1 101 ")
    return link


def frame(opcode: int, payload: bytes = b"", *, is_last: bool = True) -> bytes:
    """A masked frame of at most 125 bytes (RFC 6455, 5.2)."""
    mask = b"\x01\x80\x7f\xfe"  # any will do; the same in every process, or pytest-xdist finds different tests
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return struct.pack("BB", opcode | (0x80 if is_last else 0), 0x80 | len(payload)) + mask + masked


def is_cut_off(link: socket.socket) -> bool:
    try:
        while link.recv(65536):
            continue
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def sockets(served: Served) -> int:
    return sum(isinstance(each, upgrade.BoundedSocket) for each in served.server.server_state.connections)


def test_a_handshake_that_never_ends_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.5)
    link = raw(served, HANDSHAKE[:-2])
    assert link.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert is_cut_off(link)


@pytest.mark.parametrize(
    "head",
    [
        HANDSHAKE.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"),
        HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        HANDSHAKE.replace(b"GET /ws", b"POST /ws"),
        HANDSHAKE.replace(b"Host: 127.0.0.1\r\n", b"Host: 127.0.0.1\r\nX: " + b"x" * 9000 + b"\r\n"),
        HANDSHAKE.replace(b"Host: 127.0.0.1\r\n", b"Host: 127.0.0.1\r\n" + b"X: y\r\n" * 200),
    ],
)
def test_a_handshake_that_is_wrong_is_refused_quietly(
    served: Served, head: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    link = raw(served, head)
    assert link.recv(4096).startswith(b"HTTP/1.1 4")
    assert is_cut_off(link)
    assert "Traceback" not in "".join(capfd.readouterr())
    assert sockets(served) == 0


def test_what_is_sent_before_the_answer_to_the_handshake_is_not_heard(served: Served) -> None:
    link = raw(served, HANDSHAKE + b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert link.recv(4096).startswith(b"HTTP/1.1 101 ")
    link.close()


def test_a_handshake_behind_a_request_in_work_is_refused(served: Served, make_job: Callable[..., str]) -> None:
    head = f"GET /api/v1/jobs/{make_job()} HTTP/1.1\r\nHost: 127.0.0.1\r\nPrefer: wait=5\r\n"
    link = raw(served, f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode() + HANDSHAKE)
    assert b"HTTP/1.1 101" not in link.recv(4096)
    link.close()


def test_pings_are_answered_so_often_and_no_more(served: Served) -> None:
    link = upgraded(served)
    link.sendall(frame(PING, b"a") * 10)
    assert link.recv(10) == b"\x8a\x01a\x8a\x01a\x8a\x01a\x8a"
    try:
        link.sendall(frame(PING) * 5000)
    except (ConnectionResetError, BrokenPipeError):
        return
    assert is_cut_off(link)


def test_a_message_of_endless_empty_fragments_is_cut_off(served: Served) -> None:
    link = upgraded(served)
    link.sendall(frame(TEXT, is_last=False) + frame(CONTINUATION, is_last=False) * 100)
    assert is_cut_off(link)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        frame(TEXT, b"\xff\xfe"),  # no UTF-8
        b"\x81\x05hello",  # not masked
        b"\xf1\x80aaaa",  # reserved bits
        b"\x83\x80aaaa",  # a reserved opcode
        b"\x89\xfe\x01\x00aaaa" + b"x" * 256,  # a ping of 256 bytes
        b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xffaaaa",  # 2^64 - 1 bytes
    ],
)
def test_bytes_that_are_no_frames_end_the_connection_quietly(
    served: Served, bytes_sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    link = upgraded(served)
    link.sendall(bytes_sent)
    assert is_cut_off(link)
    assert "Traceback" not in "".join(capfd.readouterr())
    wait_for(lambda: sockets(served) == 0, "its place is free")


def test_a_client_that_goes_without_goodbye_is_forgotten(served: Served) -> None:
    opened = [upgraded(served) for _ in range(5)]
    assert sockets(served) == 5
    for link in opened:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()  # a reset
    wait_for(lambda: sockets(served) == 0, "the places are free")
    wait_for(lambda: not served.live.tail.readers, "nobody is told of events")


def test_who_does_not_read_is_sent_away_and_held_in_no_memory(
    served: Served, make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "DRAIN_S", 0.5)
    job_id, link = make_job(), upgraded(served)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    subscribe = json.dumps({"op": "subscribe", "topics": ["jobs"], "since": 0}).encode()
    link.sendall(frame(TEXT, subscribe))
    data = {"words": "x" * 4000}
    for _ in range(20):
        with writing() as connected:
            timeline.add(connected, [Fact("local", job_id, EventType.JOB_REPAIRED, data=data)] * 100)
    served.live.tail.look()
    wait_for(lambda: sockets(served) == 0, "its place is free", 20)
    wait_for(lambda: not served.live.tail.readers, "nobody is told of events")


def test_an_answer_that_is_not_read_is_given_up(
    served: Served, make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "DRAIN_TIMEOUT_S", 0.5)
    job_id = make_job()
    for _ in range(20):
        with writing() as connected:
            facts = [Fact("local", job_id, EventType.JOB_REPAIRED, data={"words": "x" * 4000})] * 100
            timeline.add(connected, facts)
    head = (
        f"GET /api/v1/events?topics=jobs&since=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    link = raw(served, head.encode())
    wait_for(lambda: len(served.live.tail.readers) == 1, "the stream")
    wait_for(lambda: not served.live.tail.readers, "it is given up", 20)
    link.close()


def test_many_sockets_leave_places_for_requests(served: Served) -> None:
    opened = [dial(served) for _ in range(30)]
    began = time.monotonic()
    assert served.http.get("/livez").status_code == 200
    assert time.monotonic() - began < 5
    for each in opened:
        each.close()
