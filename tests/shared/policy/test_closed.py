from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.policy import NEVER, Address
from shared.policy.closed import is_public


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.18.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
        "5f00::1", "100::1", "2002:808:808::", "::8.8.8.8", "64:ff9b::a9fe:a9fe",
    ],
)  # fmt: skip
def test_what_is_not_on_the_internet_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    ["1.1.1.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_the_internet_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("network", NEVER, ids=str)
def test_what_is_never_scanned_is_never_told_either(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    assert not is_public(network[0])
    assert not is_public(network[-1])


@given(st.ip_addresses(v=4))
def test_an_ipv6_coat_changes_nothing(inner: ipaddress.IPv4Address) -> None:
    for coat in ("::ffff:0:0", "64:ff9b::"):
        coated = ipaddress.IPv6Address(int(ipaddress.IPv6Address(coat)) | int(inner))
        assert is_public(coated) == is_public(inner)


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_public(any_address: Address) -> None:
    if any_address.is_private and getattr(any_address, "ipv4_mapped", None) is None:
        assert not is_public(any_address)
