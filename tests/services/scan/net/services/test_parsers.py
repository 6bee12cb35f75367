"""Every parser of bytes, given anything: it returns or raises NotSpoken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scan.net import bson
from services.scan.net.answer import NotSpoken
from services.scan.net.services import (
    amqp,
    dns,
    http,
    imap,
    memcached,
    mongodb,
    mqtt,
    mysql,
    postgres,
    protocols,
    rdp,
    redis,
    smtp,
    ssh,
    telnet,
    vnc,
)

BYTES: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "amqp start": (amqp.parse_start, b"\0\x0a\0\x0a\0\x09\0\0\0\x0d\x01aS\0\0\0\x02xy\x01bt\0\0\0\0\x05PLAIN"),
    "amqp table": (amqp.parse_table, b"\x01aS\0\0\0\x02xy\x01bt\x01"),
    "dns": (dns.parse, b"\0\x01\x84\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03\xc0\x0c"),
    "dns version": (dns.parse_version, b"\0\x01\x84\0\0\0\0\0\0\0\0\0"),
    "http head": (http.parse_head, b"HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=b\r\n\r\n"),
    "http chunks": (http.unchunked, b"4\r\nWiki\r\n0\r\n\r\n"),
    "http title": (http.title, b"<title>a &amp; b</title>"),
    "memcached": (memcached.parse_version, b"VERSION 1.6.18\r\n"),
    "mongodb": (mongodb.parse_message, b"\0\0\0\0\0" + bson.encode({"ok": 1, "version": "7"})),
    "mqtt connack": (mqtt.parse_connack, b"\x20\x02\0\0"),
    "mqtt version": (mqtt.parse_version, b"\0\x13$SYS/broker/versionmosquitto version 2.0.11"),
    "mysql": (mysql.parse_greeting, b"\x0a8.0.36\0\x01\0\0\0aaaaaaaa\0\xff\xff\xff"),
    "postgres authentication": (postgres.parse_authentication, b"\0\0\0\x0a"),
    "postgres error": (postgres.parse_error, b"SFATAL\0C28000\0\0"),
    "rdp": (rdp.parse_confirm, b"\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0"),
    "redis info": (redis.parse_info, b"# Server\r\nredis_version:7.0.15\r\n"),
    "redis ping": (redis.parse_ping, b"+PONG"),
    "ssh kexinit": (ssh.parse_kexinit, b"\x04\x14" + b"c" * 16 + b"\0\0\0\x03abc" * 8 + b"\0" * 9),
    "telnet": (telnet.parse, b"\xff\xfd\x18login: \xff\xfa\x18\x01\xff\xf0"),
    "vnc": (vnc.parse_version, b"RFB 003.008\n"),
}
TEXTS: dict[str, Callable[[str], object]] = {
    "dns product": dns.product,
    "imap": lambda text: imap.parse_capabilities([text]),
    "smtp": smtp.parse_line,
    "ssh": ssh.parse_identification,
}


@pytest.mark.parametrize("name", BYTES)
@given(st.binary(max_size=200))
def test_no_bytes_crash_a_parser(name: str, data: bytes) -> None:
    _survives(BYTES[name][0], data)


@pytest.mark.parametrize("name", BYTES)
@given(st.data())
def test_no_damaged_message_crashes_a_parser(name: str, data: st.DataObject) -> None:
    parse, sample = BYTES[name]
    at = data.draw(st.integers(0, len(sample)))
    _survives(parse, sample[:at] + data.draw(st.binary(max_size=8)) + sample[at + data.draw(st.integers(0, 8)) :])


@pytest.mark.parametrize("name", BYTES)
def test_the_undamaged_message_is_understood(name: str) -> None:
    parse, sample = BYTES[name]
    parse(sample)


@pytest.mark.parametrize("name", TEXTS)
@given(st.text(st.characters(max_codepoint=255)))
def test_no_line_crashes_a_parser(name: str, text: str) -> None:
    _survives(TEXTS[name], text)


@pytest.mark.parametrize("name", protocols())
@given(st.binary(max_size=64))
def test_any_first_bytes_are_recognised_or_not(name: str, data: bytes) -> None:
    assert protocols()[name].recognises(data) in (True, False)


def _survives(parse: Callable[..., object], data: bytes | str) -> None:
    with contextlib.suppress(NotSpoken):
        parse(data)
