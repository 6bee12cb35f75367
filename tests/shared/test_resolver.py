"""A name's addresses: those of the system, within a time, each failure with its class."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from shared.resolver import ResolverAway, TargetUnresolvable, addresses


def test_an_address_stands_for_itself() -> None:
    assert addresses("::1") == ["::1"]


def test_localhost_has_the_loopback_address() -> None:
    assert "127.0.0.1" in addresses("localhost")


def test_no_address_of_a_name_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [f"10.0.{i // 256}.{i % 256}" for i in range(600)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 0)) for each in found])
    assert addresses("many.invalid") == found


def test_a_name_without_address_is_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _failing(socket.EAI_NONAME))
    with pytest.raises(TargetUnresolvable, match=r"nowhere\.invalid.* has no address"):
        addresses("nowhere.invalid")


def test_a_failing_resolver_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _failing(socket.EAI_AGAIN))
    with pytest.raises(ResolverAway):
        addresses("nowhere.invalid")


def test_a_label_too_long_for_dns_is_permanent() -> None:
    with pytest.raises(TargetUnresolvable):
        addresses("a" * 64 + ".invalid")


def test_a_silent_resolver_does_not_hold_up_the_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(10) and [])
    with pytest.raises(ResolverAway, match="did not answer"):
        addresses("slow.invalid", timeout_s=0.05)
    released.set()


@given(address=some.ip_addresses().map(str))
def test_an_address_is_its_own_and_asks_nobody(address: str) -> None:
    assert addresses(address) == [address]


def test_localhost_has_its_addresses_once_and_ipv4_first() -> None:
    found = addresses("localhost")
    assert found[0] == "127.0.0.1"
    assert len(found) == len(set(found))
    assert all(ipaddress.ip_address(address).is_loopback for address in found)


@pytest.mark.parametrize("name", ["nothing.invalid", "a\x00b", "\ud800", "x" * 64, "a" * 70_000, "", "a b"])
def test_a_name_without_an_address_is_refused_at_the_field_host(name: str) -> None:
    with pytest.raises((TargetUnresolvable, ResolverAway)) as refused:
        addresses(name)
    if isinstance(refused.value, TargetUnresolvable):
        assert refused.value.pointer == "/host"


@given(name=some.text(alphabet="-. é\x00%[]\ud800", min_size=1, max_size=12))
@hypothesis_settings(max_examples=50)
def test_no_name_breaks_the_resolver(name: str) -> None:
    with pytest.raises((TargetUnresolvable, ResolverAway)):
        addresses(name)


def _failing(code: int) -> Callable[..., None]:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "as asked")

    return getaddrinfo
