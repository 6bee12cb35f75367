"""A name must resolve before it is scanned, and to nothing that no scan may touch."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared import policy
from shared.contracts.kinds.host import Target
from shared.contracts.target import TargetModel
from shared.policy import Reach
from shared.resolver import ResolverAway, TargetUnresolvable

HERE = Reach(private=True)


class Pair(TargetModel):
    """A kind of target with two hosts."""

    @property
    def label(self) -> str:
        return "pair"

    @property
    def hosts(self) -> list[str]:
        return ["127.0.0.1", "169.254.169.254"]


def test_a_target_must_resolve() -> None:
    policy.check(Target(host="127.0.0.1"), HERE)
    with pytest.raises((TargetUnresolvable, ResolverAway)):
        policy.check(Target(host="nothing.invalid"), HERE)


def test_a_kind_that_does_not_name_its_hosts_is_not_let_through() -> None:
    with pytest.raises(TypeError, match=r"abstract.*hosts"):
        policy.check(TargetModel(kind="other"), HERE)  # type: ignore[abstract]


def test_every_host_of_a_target_is_judged() -> None:
    with pytest.raises(policy.TargetRefused):
        policy.check(Pair(kind="pair"), HERE)


def test_the_last_of_many_addresses_is_judged_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [*(f"10.0.0.{i}" for i in range(200)), "169.254.169.254"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 0)) for each in found])
    with pytest.raises(policy.TargetRefused):
        policy.check(Target(host="many.invalid"), HERE)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "fe80::1%1",
        "fd20:ce::254",
        "fe80::1",
        "fd00:ec2::254",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "::",
    ],
)
def test_an_address_that_no_scan_may_touch_is_refused(address: str) -> None:
    with pytest.raises(policy.TargetRefused, match="never scanned"):
        policy.check(Target(host=address), HERE)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "192.0.2.1", "2001:db8::1", "100.100.100.201", "64:ff9b::808:808"]
)
def test_hosts_are_let_through(address: str) -> None:
    policy.guard(address)


@given(some.ip_addresses(v=4))
def test_an_ipv4_address_is_found_in_every_coat(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    coats = [
        ipaddress.IPv6Address(f"::ffff:{inner}"),
        ipaddress.IPv6Address(f"64:ff9b::{inner}"),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
        ipaddress.IPv6Address(0x20010000 << 96 | 0x04040404 << 64 | number ^ 0xFFFF_FFFF),
    ]
    assert {policy.carried(coat) for coat in coats} == {inner}
    assert number < 2 or policy.carried(ipaddress.IPv6Address(number)) == inner


@given(some.ip_addresses())
def test_a_guard_has_an_answer_to_every_address(address: policy.Address) -> None:
    if policy.forbidden(address):
        with pytest.raises(policy.TargetRefused):
            policy.guard(str(address))
    else:
        policy.guard(str(address))
