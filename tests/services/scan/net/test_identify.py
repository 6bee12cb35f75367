from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from services.scan.net.identify import Identity
from shared.contracts.observation import MAX_EVIDENCE, GapReason
from tests.services.scan.farm import Farm, Ports

Identify = Callable[..., Identity]
Peer = Callable[..., int]


def saying(data: bytes, *, forever: bool = False) -> Callable[..., object]:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        while forever:
            await writer.drain()
            writer.write(data)
        await reader.read()

    return speak


def test_a_greeting_that_nobody_knows_is_kept_as_evidence(peer: Peer, identified: Identify) -> None:
    found = identified(peer(saying(b"hello \x00\xff stranger\r\n")))
    assert found.service.name == "unknown"
    assert (found.evidence[0].source, found.evidence[0].text) == ("greeting", "hello \\x00\\xff stranger\n")


def test_a_mute_server_is_unknown_after_bounded_time(peer: Peer, identified: Identify) -> None:
    started = time.monotonic()
    found = identified(peer(saying(b"")))
    assert (found.service.name, found.evidence, found.tls) == ("unknown", [], None)
    assert time.monotonic() - started < 10


def test_a_server_that_closes_at_once_is_unknown(peer: Peer, identified: Identify) -> None:
    async def close(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        return

    assert identified(peer(close)).service.name == "unknown"


def test_a_flood_is_unknown_and_its_evidence_is_cut(peer: Peer, identified: Identify) -> None:
    found = identified(peer(saying(b"A" * 8192, forever=True)))
    assert found.service.name == "unknown"
    assert len(found.evidence[0].text) == MAX_EVIDENCE
    assert found.evidence[0].truncated


def test_a_flood_that_begins_like_ssh_ends_too(peer: Peer, identified: Identify) -> None:
    started = time.monotonic()
    assert identified(peer(saying(b"SSH-2.0-" + b"A" * 8192, forever=True))).service.name == "unknown"
    assert time.monotonic() - started < 10


def test_time_that_runs_out_is_a_gap(peer: Peer, identified: Identify) -> None:
    found = identified(peer(saying(b"")), budget=0.2)
    assert found.missed == [(GapReason.TIMEOUT, "identification was not done within 0.2 s")]


def test_tls_is_found_where_plain_http_is_refused(nginx: Ports, identified: Identify) -> None:
    found = identified(nginx["https"])
    assert (found.service.name, found.in_tls, found.tls is not None) == ("http", True, True)
    assert found.service.page is not None
    assert found.service.page.status == 200


def test_tls_is_found_where_the_server_is_silent_until_spoken_to(redis: Ports, identified: Identify) -> None:
    found = identified(redis["tls"])
    assert (found.service.name, found.in_tls) == ("redis", True)


def test_tls_with_nothing_known_inside_is_still_described(peer: Peer, identified: Identify, farm: Farm) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(farm.certificates["good"], farm.certificates["good_key"])

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(context)
        await reader.read()

    found = identified(peer(speak))
    assert found.tls is not None
    assert (found.service.name, found.in_tls, found.tls.version) == ("unknown", True, "TLSv1.3")
