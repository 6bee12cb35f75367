from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from services.scan.net import connection
from services.scan.net.connection import KEPT, Connection, Lost, Silent, TooMuch
from services.scan.net.dial import dial
from tests.services.scan.here import HERE

Peer = Callable[..., int]
T = TypeVar("T")


def converse(port: int, what: Callable[[Connection], Awaitable[T]], patience: float = 5.0) -> T:
    async def run() -> T:
        async with await dial(HERE, port, patience=patience) as conn:
            return await what(conn)

    return asyncio.run(run())


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def close(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    return


def test_a_line_is_read_and_the_rest_stays(peer: Peer) -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first\r\nsecond")
        await writer.drain()

    async def listen(conn: Connection) -> tuple[str, bytes]:
        return await conn.line(), await conn.exactly(6)

    assert converse(peer(speak), listen) == ("first", b"second")


def test_an_endless_line_is_given_up(peer: Peer) -> None:
    with pytest.raises(TooMuch):
        converse(peer(flood), lambda conn: conn.line())


def test_an_endless_answer_is_cut_and_little_of_it_is_kept(peer: Peer) -> None:
    async def listen(conn: Connection) -> tuple[int, int]:
        return len(await conn.rest(10 * connection.MAX_BYTES)), len(conn.received)

    read, kept = converse(peer(flood), listen)
    assert connection.MAX_BYTES <= read < 2 * connection.MAX_BYTES
    assert kept == KEPT


def test_a_dripping_peer_cannot_outlast_the_conversation(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.scan.net.dial.CONVERSATION", 0.3)
    started = time.monotonic()
    with pytest.raises(Silent):
        converse(peer(drip), lambda conn: conn.exactly(100_000))
    assert time.monotonic() - started < 2


def test_a_mute_peer_is_silent(peer: Peer) -> None:
    with pytest.raises(Silent):
        converse(peer(mute), lambda conn: conn.peek(), patience=0.1)


def test_a_closing_peer_is_lost(peer: Peer) -> None:
    with pytest.raises(Lost):
        converse(peer(close), lambda conn: conn.peek())


def test_a_refused_connection_is_lost() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Lost, match="refused"):
            converse(bound.getsockname()[1], lambda conn: conn.peek())


def test_an_address_that_drops_packets_is_silent(blackhole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.scan.net.dial.CONNECT_WAIT", 0.1)
    with pytest.raises(Silent, match="did not accept"):
        converse(blackhole, lambda conn: conn.peek())
