"""What rules, settings and the fixed prohibitions make of an address."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.contracts.scan_rule import Effect, NewScanRule, ScanRule, canonical_what
from shared.errors import InvalidInput
from shared.ids import now
from shared.policy import Reach, TargetRefused

PUBLIC, PRIVATE, METADATA = "93.184.215.14", "10.1.2.3", "169.254.169.254"
PAST, FUTURE = now() - timedelta(seconds=1), now() + timedelta(days=1)


def rule(effect: str, what: str, expires_at: datetime | None = None) -> ScanRule:
    written = NewScanRule(effect=Effect(effect), what=what)
    return ScanRule(id=f"{effect}-id", effect=written.effect, what=written.what, created_at=PAST, expires_at=expires_at)


def refused_by(address: str, *rules: ScanRule, name: str = "", private: bool = False) -> str:
    refusal = Reach(rules, private).refusal(address, name)
    return refusal.rule if refusal else ""


def test_without_rules_the_internet_is_open_and_all_else_is_closed() -> None:
    assert refused_by(PUBLIC) == ""
    assert refused_by("2606:4700::1111") == ""
    for closed in (PRIVATE, "127.0.0.1", "::1", "fd00::1", "192.168.0.1", "100.64.0.1", "192.0.2.1"):
        assert refused_by(closed) == "closed"
        assert refused_by(closed, private=True) == ""


def test_a_denial_wins_over_everything_that_permits() -> None:
    rules = rule("deny", "93.184.215.0/24"), rule("allow", PUBLIC), rule("grant", PUBLIC)
    assert refused_by(PUBLIC, *rules, private=True) == "deny:deny-id"


def test_an_allow_rule_closes_all_else() -> None:
    allow = rule("allow", "93.184.215.0/24")
    assert refused_by(PUBLIC, allow) == ""
    assert refused_by("1.1.1.1", allow) == "not-allowed"


def test_an_allow_rule_that_is_over_permits_nothing_more() -> None:
    over = rule("allow", "93.184.215.0/24", PAST)
    assert refused_by(PUBLIC, over) == "not-allowed"
    assert refused_by("1.1.1.1", over) == "not-allowed"


def test_an_allow_rule_does_not_open_what_is_closed() -> None:
    assert refused_by(PRIVATE, rule("allow", "10.0.0.0/8")) == "closed"
    assert refused_by(PRIVATE, rule("allow", "*.example.org"), name="db.example.org") == "closed"


def test_a_grant_opens_until_it_is_over_and_narrows_nothing() -> None:
    assert refused_by(PRIVATE, rule("grant", "10.0.0.0/8", FUTURE)) == ""
    assert refused_by(PUBLIC, rule("grant", "10.0.0.0/8", FUTURE)) == ""
    assert refused_by("192.168.0.1", rule("grant", "10.0.0.0/8")) == "closed"
    assert refused_by(PRIVATE, rule("grant", "10.0.0.0/8", PAST)) == "closed"


def test_a_denial_that_is_over_denies_nothing() -> None:
    assert refused_by(PUBLIC, rule("deny", PUBLIC, PAST)) == ""


@pytest.mark.parametrize("rules", [[], ["allow"], ["grant"], ["allow", "grant"]])
def test_nothing_opens_a_metadata_service(rules: list[str]) -> None:
    everything = [rule(effect, what) for effect in rules for what in ("0.0.0.0/0", "::/0", METADATA)]
    assert refused_by(METADATA, *everything, private=True) == "never"
    assert refused_by(f"::ffff:{METADATA}", *everything, private=True) == "never"


@given(some.ip_addresses(v=4))
def test_a_denied_address_is_denied_in_every_coat(inner: ipaddress.IPv4Address) -> None:
    denied = rule("deny", str(inner))
    coats = [f"::ffff:{inner}", f"64:ff9b::{inner}", str(ipaddress.IPv6Address(0x2002 << 112 | int(inner) << 80 | 1))]
    for address in (str(inner), *coats):
        assert refused_by(address, denied, private=True) in {"deny:deny-id", "never"}


@pytest.mark.parametrize("coat", ["::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::1", "::10.1.2.3"])
def test_a_coat_opens_no_private_network(coat: str) -> None:
    assert refused_by(coat) == "closed"
    assert refused_by(coat, rule("grant", "::/0")) == "closed"
    assert refused_by(coat, rule("deny", "10.0.0.0/8"), private=True) == "deny:deny-id"


@pytest.mark.parametrize("name", ["db.example.org", "DB.Example.ORG.", "a.b.example.org"])
def test_a_pattern_is_about_all_names_below(name: str) -> None:
    assert refused_by(PUBLIC, rule("deny", "*.Example.org."), name=name) == "deny:deny-id"


@pytest.mark.parametrize("name", ["example.org", "notexample.org", "example.org.evil.net", "", PUBLIC])
def test_a_pattern_is_about_no_other_name(name: str) -> None:
    assert refused_by(PUBLIC, rule("deny", "*.example.org"), name=name) == ""


def test_a_name_is_about_itself_alone() -> None:
    deny = rule("deny", "bücher.example")
    assert refused_by(PUBLIC, deny, name="xn--bcher-kva.example") == "deny:deny-id"
    assert refused_by(PUBLIC, deny, name="a.xn--bcher-kva.example") == ""


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3/32", "10.1.2.3"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("*.Example.ORG.", "*.example.org"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
    ],
)
def test_what_a_rule_is_about_has_one_spelling(written: str, kept: str) -> None:
    assert canonical_what(written) == kept


@pytest.mark.parametrize("text", ["*", "*.", "a.*.b", "10.0.0.0/33", "10.0.0.1-20", "fe80::1%eth0/64", "a/b", "0177.1"])
def test_a_rule_about_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        canonical_what(text)


def test_a_refusal_says_what_can_be_done() -> None:
    with pytest.raises(TargetRefused, match=r"10\.1\.2\.3 is private") as caught:
        Reach().require(PRIVATE)
    assert (caught.value.rule, "rules grant" in caught.value.cure) == ("closed", True)
