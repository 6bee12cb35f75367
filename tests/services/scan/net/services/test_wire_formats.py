"""Servers that are not in Debian, as small peers that speak the wire format of the specifications.

MongoDB: OP_MSG of the MongoDB wire protocol. AMQP 0-9-1: Connection.Start as RabbitMQ sends it. VNC: RFC 6143.
RDP: MS-RDPBCGR 2.2.1.2. Telnet: RFC 854.
"""

from __future__ import annotations

import struct
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Callable

import pytest

from services.scan.net.bson import decode, encode
from services.scan.net.identify import Identity
from services.scan.net.services import mysql, rdp, vnc

Peer = Callable[..., int]
Identify = Callable[[int], Identity]


@pytest.mark.parametrize("locked", [True, False])
def test_mongodb_says_its_version_and_whether_it_needs_a_login(peer: Peer, identified: Identify, locked: bool) -> None:
    answers = {
        "hello": {"maxWireVersion": 21, "setName": "rs0", "ok": 1},
        "buildInfo": {"version": "7.0.5", "ok": 1},
        "listDatabases": {"ok": 0, "code": 13} if locked else {"ok": 1},
    }

    async def speak(reader: Reader, writer: Writer) -> None:
        while head := await reader.readexactly(16):
            size, number, _, operation = struct.unpack("<iiii", head)
            if head.startswith(b"GET /"):
                said = b"It looks like you are trying to access MongoDB over HTTP on the native driver port.\r\n"
                writer.write(b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 85\r\n\r\n" + said)
                await writer.drain()
            if operation != 2013:
                return
            command = decode((await reader.readexactly(size - 16))[5:])
            body = struct.pack("<iB", 0, 0) + encode(answers[next(iter(command))])  # type: ignore[arg-type]  # plain values
            writer.write(struct.pack("<iiii", 16 + len(body), 1, number, 2013) + body)

    service = identified(peer(speak)).service
    assert (service.name, service.version, service.details) == (
        "mongodb",
        "7.0.5",
        {"mode": "replica set", "auth_required": locked},
    )


def test_amqp_says_product_version_and_mechanisms(peer: Peer, identified: Identify) -> None:
    def text(value: bytes) -> bytes:
        return struct.pack("!I", len(value)) + value

    capabilities = b"\x12publisher_confirmst\x01"
    table = (
        b"\x0ccapabilitiesF"
        + text(capabilities)
        + b"\x07productS"
        + text(b"RabbitMQ")
        + b"\x07versionS"
        + text(b"3.12.1")
    )
    start = b"\0\x0a\0\x0a\0\x09" + text(table) + text(b"PLAIN AMQPLAIN") + text(b"en_US")
    frame = struct.pack("!BHI", 1, 0, len(start)) + start + b"\xce"

    async def speak(reader: Reader, writer: Writer) -> None:
        asked = await reader.readexactly(8)
        writer.write(frame if asked == b"AMQP\0\0\x09\x01" else b"AMQP\0\0\x09\x01")
        await writer.drain()

    service = identified(peer(speak)).service
    assert (service.name, service.product, service.version) == ("amqp", "RabbitMQ", "3.12.1")
    assert service.details["capabilities"] == ["PLAIN", "AMQPLAIN"]
    assert service.details["auth_required"] is True


@pytest.mark.parametrize(
    ("version", "offer", "expected"),
    [
        (b"RFB 003.008\n", b"\x02\x01\x13", ["none", "vencrypt"]),
        (b"RFB 003.003\n", b"\0\0\0\x02", ["vnc"]),
        (b"RFB 004.001\n", b"\x01\x63", ["type 99"]),
    ],
)
def test_vnc_offers_its_security_types(
    peer: Peer, identified: Identify, version: bytes, offer: bytes, expected: list[str]
) -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        writer.write(version)
        await reader.readexactly(12)
        writer.write(offer)
        await writer.drain()

    service = identified(peer(speak)).service
    assert (service.name, service.details["security_types"]) == ("vnc", expected)


def test_vnc_that_refuses_has_no_security_types() -> None:
    assert vnc.security_types([0]) == []


def test_rdp_tells_which_security_it_accepts(peer: Peer, identified: Identify) -> None:
    """As Windows answers with network level authentication required: nothing but CredSSP."""

    async def speak(reader: Reader, writer: Writer) -> None:
        head = await reader.readexactly(4)
        if head[:2] != b"\x03\0":
            return
        request = await reader.readexactly(head[3] - 4)
        asked = struct.unpack("<I", request[-4:])[0]
        negotiation = struct.pack("<BBHI", 2, 0, 8, 2) if asked & 2 else struct.pack("<BBHI", 3, 0, 8, 5)
        writer.write(b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0" + negotiation)
        await writer.drain()

    service = identified(peer(speak)).service
    assert (service.name, service.details["protocols"]) == ("rdp", ["credssp"])


def test_an_old_rdp_server_knows_nothing_but_rdp() -> None:
    assert rdp.parse_confirm(b"\x06\xd0\0\0\x12\x34\0") == 0


def test_telnet_gets_its_options_refused_and_shows_its_prompt(peer: Peer, identified: Identify) -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        writer.write(b"\xff\xfd\x18\xff\xfb\x01")
        if await reader.readexactly(6) == b"\xff\xfc\x18\xff\xfe\x01":
            writer.write(b"\r\nrouter login: ")
        await reader.read()

    service = identified(peer(speak)).service
    assert (service.name, service.details["greeting_name"]) == ("telnet", "router login:")


def test_a_mysql_that_refuses_this_host_is_still_mysql() -> None:
    error = b"\xff\x6a\x04Host '10.0.0.1' is not allowed to connect to this MariaDB server"
    service = mysql.parse_greeting(error)
    assert (service.name, service.product, service.details) == ("mysql", "MariaDB", {"mode": "refused"})


def test_a_login_free_postgres_says_its_version(peer: Peer, identified: Identify) -> None:
    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    async def speak(reader: Reader, writer: Writer) -> None:
        size, code = struct.unpack("!ii", await reader.readexactly(8))
        if code == 80877103:
            writer.write(b"N")
            return
        if code != 196608:
            return
        await reader.readexactly(size - 8)
        writer.write(message(b"R", b"\0\0\0\0") + message(b"S", b"server_version\x0016.1 (Debian 16.1-1)\0"))
        await writer.drain()

    service = identified(peer(speak)).service
    assert (service.name, service.version) == ("postgres", "16.1")
    assert service.details == {"tls_offered": False, "auth_required": False, "mode": "trust"}
