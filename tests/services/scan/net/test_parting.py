"""Peers that say everything at once and leave while they are spoken to. That ends a conversation; it breaks nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable

import pytest

from services.scan.net.connection import Connection, Lost
from services.scan.net.dial import dial
from services.scan.net.identify import Identity
from services.scan.net.services import protocols
from services.scan.net.tls import permissive
from tests.services.scan.farm import Farm
from tests.services.scan.here import HERE

Identify = Callable[..., Identity]
Peer = Callable[..., int]
SAID = {
    "ftp": b"220 ProFTPD\r\n211-F\r\n AUTH TLS\r\n211 E\r\n331 x\r\n230 in\r\n",
    "smtp": b"220 mx ESMTP Postfix\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n",
    "pop3": b"+OK Dovecot ready.\r\n+OK\r\nSTLS\r\n.\r\n+OK go\r\n",
    "imap": b"* OK Dovecot ready.\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\nv1 OK done\r\n",
    "redis": b"+PONG\r\n$22\r\nredis_version:7.0.15\r\n\r\n",
}
GREETED = {
    "ftp": b"220 ProFTPD\r\n",
    "smtp": b"220 mx ESMTP Postfix\r\n",
    "pop3": b"+OK Dovecot\r\n",
    "imap": b"* OK Dovecot\r\n",
}
FIRST_BYTES = {
    **{name: said.partition(b"\n")[0] + b"\n" for name, said in SAID.items()},
    "amqp": b"AMQP\0\0\x09\x01",
    "dns": b"\0\x0c\0\1\x84\0\0\0\0\0\0\0\0\0",
    "http": b"HTTP/1.1 200 OK\r\n",
    "memcached": b"ERROR\r\n",
    "mongodb": b"\x15\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0\0\0\0\0\0",
    "mqtt": b"\x20\2\0\0",
    "mysql": b"\x4a\0\0\0\x0a8.0.36\0",
    "postgres": b"S",
    "rdp": b"\3\0\0\x0b\6\xd0\0\0\0\0\0",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "telnet": b"\xff\xfd\x18login: ",
    "vnc": b"RFB 003.008\n",
}


def leaving(said: bytes, *, reset: bool) -> Callable[..., object]:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            writer.write_eof()

    return speak


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("reset", [False, True])
def test_what_was_said_three_times_over_does_not_break_identification(
    peer: Peer, identified: Identify, name: str, reset: bool
) -> None:
    found = identified(peer(leaving(SAID[name] * 3, reset=reset)))
    assert found.service.name in (name, "unknown")
    assert found.service.name == name or reset


@pytest.mark.parametrize("name", GREETED)
def test_a_greeting_is_enough_and_what_was_not_said_is_not_claimed(peer: Peer, identified: Identify, name: str) -> None:
    service = identified(peer(leaving(GREETED[name], reset=False))).service
    assert service.name == name
    assert service.product
    assert not {"starttls", "capabilities", "auth_required"} & set(service.details)


def test_every_protocol_has_first_bytes_here() -> None:
    assert set(FIRST_BYTES) == set(protocols())


@pytest.mark.parametrize("name", FIRST_BYTES)
@pytest.mark.parametrize("reset", [False, True])
def test_every_protocol_survives_a_peer_that_leaves_after_its_first_bytes(
    peer: Peer, identified: Identify, name: str, reset: bool
) -> None:
    assert identified(peer(leaving(FIRST_BYTES[name], reset=reset))).address == "127.0.0.1"


def test_writing_into_a_tls_session_that_the_peer_broke_is_lost(peer: Peer, farm: Farm) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(farm.certificates["good"], farm.certificates["good_key"])

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = writer.transport
        await writer.start_tls(context)
        plain.write(b"\x17\x03\x03\0\x20" + b"x" * 32)  # a record that cannot be decrypted
        await reader.read()

    async def converse(port: int) -> None:
        async with await dial(HERE, port) as conn:
            await conn.secure(permissive(), None)
            await _speak_after_reading(conn)

    asyncio.run(converse(peer(speak)))


async def _speak_after_reading(conn: Connection) -> None:
    with pytest.raises(Lost, match="TLS ended"):
        await conn.peek()
    with pytest.raises(Lost, match="TLS ended"):
        await conn.send(b"GET / HTTP/1.1\r\n\r\n")
