"""The servers of a drill."""

from __future__ import annotations

import socket
import time

import pytest

from shared import testing
from vedette.drill import crew
from vedette.drill.crew import Crew


def _said(host: str, port: int, say: bytes = b"", timeout_s: float = 2.0) -> bytes:
    with socket.create_connection((host, port), timeout=timeout_s) as link:
        heard = link.recv(100)
        if say:
            link.sendall(say)
            heard += link.recv(100)
        return heard


def test_a_quick_one_greets_late_and_refuses_what_it_is_asked() -> None:
    with Crew(2, 0.2) as servers:
        began = time.monotonic()
        assert _said(servers.host, servers.ports[1], b"FEAT\r\n") == crew.GREETING + crew.REFUSAL
        assert time.monotonic() - began >= 0.4


def test_the_tarpit_accepts_and_never_says_anything() -> None:
    with Crew(1, 0.0) as servers, pytest.raises(TimeoutError):
        _said(servers.host, servers.tarpit, timeout_s=0.5)


def test_each_port_is_another_one_of_loopback_and_none_is_left_open() -> None:
    with Crew(20, 0.0) as servers:
        assert len({*servers.ports, servers.tarpit}) == 21
        assert servers.host.startswith("127.")
    with pytest.raises(ConnectionRefusedError):
        _said(servers.host, servers.ports[0])


def test_somebody_who_talks_without_end_is_cut_off() -> None:
    with Crew(1, 0.0) as servers, socket.create_connection((servers.host, servers.ports[0]), timeout=2) as link:
        link.sendall(b"x" * (crew.MAX_HEARD + 1024))
        testing.wait_for(lambda: _is_closed(link), "it hangs up")


def _is_closed(link: socket.socket) -> bool:
    try:
        return link.recv(1024) == b""
    except ConnectionResetError:
        return True
