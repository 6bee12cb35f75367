"""The request model of a host, and that what its scanner says survives the store's JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from shared.contracts import ports
from shared.contracts.job import Profile
from shared.contracts.kinds.host import Target
from shared.contracts.ports import GROUPS, PortGroup
from shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", "a b"), ("host", ""), ("ports", "0"), ("ports", " "), ("port_groups", ["critical", "other"])],
)
def test_a_bad_field_is_named_by_its_pointer(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        Target.model_validate({"host": "localhost", field: value})
    assert refused.value.pointer == f"/{field}"
    assert refused.value.cure


@pytest.mark.parametrize("extra", [{"Host": "a"}, {"kind": "site"}, {"host": 5}, {"port_groups": ["none"]}])
def test_a_field_of_another_shape_is_refused(extra: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Target.model_validate({"host": "localhost", **extra})


def test_a_network_expands_to_targets_that_keep_what_else_was_asked() -> None:
    target = Target(host=" 10.0.0.0/30 ", ports="22", port_groups=[PortGroup.HIGH])
    assert target.host == "10.0.0.0/30"
    assert [(each.host, each.ports, each.port_groups) for each in target.expand()] == [
        ("10.0.0.1", "22", [PortGroup.HIGH]),
        ("10.0.0.2", "22", [PortGroup.HIGH]),
    ]


def test_spellings_of_one_host_have_one_key_once_expanded() -> None:
    spellings = ["EXAMPLE.org", "example.org.", " example.ORG "]
    assert {Target(host=spelling).expand()[0].key for spelling in spellings} == {"host:example.org"}


def test_ports_win_over_groups_and_groups_over_the_profile() -> None:
    assert Target(host="a", ports="7,5", port_groups=[PortGroup.LOW]).port_list(Profile.COMPREHENSIVE) == [5, 7]
    assert Target(host="a", port_groups=[PortGroup.LOW]).port_list(Profile.COMPREHENSIVE) == sorted(
        set(GROUPS[PortGroup.LOW])
    )
    assert Target(host="a").port_list(Profile.COMPREHENSIVE) == ports.parse("-")


def test_a_deeper_profile_looks_at_more() -> None:
    quick, standard, all_of_them = (
        set(Target(host="a").port_list(profile)) for profile in (Profile.QUICK, Profile.STANDARD, Profile.COMPREHENSIVE)
    )
    assert quick < standard < all_of_them


@given(host=some.ip_addresses().map(str), groups=some.lists(some.sampled_from(list(GROUPS)), max_size=3))
def test_a_target_survives_json(host: str, groups: list[PortGroup]) -> None:
    target = Target(host=host, port_groups=groups)
    assert Target.model_validate_json(target.model_dump_json()) == target
    assert target.port_list(Profile.QUICK)
