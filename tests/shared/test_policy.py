"""A name must resolve before it is scanned."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from shared import policy
from shared.contracts.kinds.host import Target
from shared.contracts.target import TargetModel


@given(address=some.ip_addresses().map(str))
def test_an_address_is_its_own_and_asks_nobody(address: str) -> None:
    assert policy.resolve(address) == [address]


def test_localhost_has_its_addresses_once_and_ipv4_first() -> None:
    found = policy.resolve("localhost")
    assert found[0] == "127.0.0.1"
    assert len(found) == len(set(found))
    assert all(ipaddress.ip_address(address).is_loopback for address in found)


@pytest.mark.parametrize("name", ["nothing.invalid", "a\x00b", "\ud800", "x" * 64, "a" * 70_000, "", "a b"])
def test_a_name_without_an_address_is_refused_at_the_field_host(name: str) -> None:
    with pytest.raises((policy.TargetUnresolvable, policy.ResolverAway)) as refused:
        policy.resolve(name)
    if isinstance(refused.value, policy.TargetUnresolvable):
        assert refused.value.pointer == "/host"


@given(name=some.text(alphabet="-. é\x00%[]\ud800", min_size=1, max_size=12))
@hypothesis_settings(max_examples=50)
def test_no_name_breaks_the_resolver(name: str) -> None:
    with pytest.raises((policy.TargetUnresolvable, policy.ResolverAway)):
        policy.resolve(name)


def test_a_target_with_a_host_must_resolve_and_one_without_need_not() -> None:
    policy.check(Target(host="127.0.0.1"))
    policy.check(TargetModel(kind="other"))
    with pytest.raises((policy.TargetUnresolvable, policy.ResolverAway)):
        policy.check(Target(host="nothing.invalid"))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
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
        policy.check(Target(host=address))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "192.0.2.1", "2001:db8::1"])
def test_hosts_are_let_through(address: str) -> None:
    policy.guard(address)
