from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest

from services.scan.net import resolve
from services.scan.net.resolve import ResolverFailed, TargetUnresolvable, addresses


def test_an_address_stands_for_itself() -> None:
    assert asyncio.run(addresses("::1")) == ["::1"]


def test_localhost_has_the_loopback_address() -> None:
    assert "127.0.0.1" in asyncio.run(addresses("localhost"))


def test_a_name_without_address_is_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _failing(socket.EAI_NONAME))
    with pytest.raises(TargetUnresolvable, match=r"nowhere\.invalid has no address"):
        asyncio.run(addresses("nowhere.invalid"))


def test_a_failing_resolver_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _failing(socket.EAI_AGAIN))
    with pytest.raises(ResolverFailed):
        asyncio.run(addresses("nowhere.invalid"))


def test_a_label_too_long_for_dns_is_permanent() -> None:
    with pytest.raises(TargetUnresolvable):
        asyncio.run(addresses("a" * 64 + ".invalid"))


def test_a_silent_resolver_does_not_hold_up_the_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(10) and [])
    monkeypatch.setattr(resolve, "RESOLVE_WAIT", 0.05)
    with pytest.raises(ResolverFailed, match="did not answer"):
        asyncio.run(addresses("slow.invalid"))
    released.set()


def _failing(code: int) -> Callable[..., None]:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "as asked")

    return getaddrinfo
