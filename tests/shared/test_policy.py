"""A name must resolve before it is scanned."""

from __future__ import annotations

import pytest

from shared import policy
from shared.contracts.kinds.host import Target
from shared.contracts.target import TargetModel
from shared.resolver import ResolverAway, TargetUnresolvable


def test_a_target_with_a_host_must_resolve_and_one_without_need_not() -> None:
    policy.check(Target(host="127.0.0.1"))
    policy.check(TargetModel(kind="other"))
    with pytest.raises((TargetUnresolvable, ResolverAway)):
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
