"""What a user may write for hosts: any text is hosts or InvalidInput, and what is accepted has one spelling."""

from __future__ import annotations

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.contracts.addresses import MAX_HOSTS, canonical, expand
from shared.errors import InvalidInput

LABEL = some.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAME = some.lists(LABEL, min_size=1, max_size=4).map(".".join)
NEARLY = some.text(alphabet="0123456789abcdefg.:/-[]%_ \n\x00é。\ud800１", max_size=30)


@given(expression=some.one_of(NEARLY, some.text(max_size=80)))
def test_any_text_is_hosts_or_invalid_input(expression: str) -> None:
    try:
        hosts = expand(expression)
    except InvalidInput:
        return
    assert 1 <= len(hosts) <= MAX_HOSTS
    assert all(canonical(host) == host for host in hosts[:5])
    assert all(host.isascii() and host.isprintable() and " " not in host for host in hosts)


@given(address=some.ip_addresses())
def test_an_address_is_its_shortest_spelling(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert expand(str(address)) == [str(address)]
    assert expand(f" [{address.exploded.upper()}] ") == [str(address)]


@given(name=NAME)
def test_a_name_stays_a_name(name: str) -> None:
    assert expand(name) == [name]
    assert expand(f"{name.upper()}.") == [name]


@pytest.mark.parametrize(
    "name", ["cafe-bad.de", "dead-beef", "abc-def.example", "a-b", "1-2.example.org", "_dmarc.a.b"]
)
def test_a_name_of_hexadecimal_letters_is_no_range(name: str) -> None:
    assert expand(name) == [name]


@given(first=some.ip_addresses(v=4), length=some.integers(min_value=0, max_value=40))
def test_a_range_has_both_its_ends(first: ipaddress.IPv4Address, length: int) -> None:
    last = ipaddress.IPv4Address(min(int(first) + length, 2**32 - 1))
    hosts = expand(f"{first}-{last}")
    assert hosts == [str(ipaddress.IPv4Address(value)) for value in range(int(first), int(last) + 1)]


@pytest.mark.parametrize(
    ("expression", "hosts"),
    [
        ("10.0.0.0/30", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.3/30", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"]),
        ("10.0.0.9/32", ["10.0.0.9"]),
        ("10.0.0.0/255.255.255.252", ["10.0.0.1", "10.0.0.2"]),
        ("2001:db8::/127", ["2001:db8::", "2001:db8::1"]),
        ("2001:db8::/128", ["2001:db8::"]),
        ("10.0.0.254-10.0.1.1", ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("10.0.0.1 - 3", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ("::ffff-::1:1", ["::ffff", "::1:0", "::1:1"]),
        ("BÜCHER.example", ["xn--bcher-kva.example"]),
        ("bücher。example", ["xn--bcher-kva.example"]),
        ("fe80::1%eth0", ["fe80::1%eth0"]),
        ("xn--bcher-kva.example.", ["xn--bcher-kva.example"]),
    ],
)
def test_what_people_write_is_understood(expression: str, hosts: list[str]) -> None:
    assert expand(expression) == hosts


@pytest.mark.parametrize(
    "expression",
    [
        *("", " ", ".", "..", "a..b", "-a", "a-.b", "a b", "a\nb", "a\x00b", "a" * 64, "a." * 127 + "aa"),
        *(
            "1.2.3",
            "1.2.3.256",
            "127.1",
            "1234",
            "１.２.３.４",
            "http://a.b",
            "a.b:80",
            "1.2.3.4:80",
            "[::1]:80",
            "[::1",
        ),
        *("10.0.0.0/33", "10.0.0.0/-1", "a/24", "/", "10.0.0.0/0", "::/0", "10.0.0.0/8", "2001:db8::/64"),
        *("10.0.0.5-4", "10.0.0.1-300", "10.0.0.1-::1", "10.0.0.0-10.1.0.0", "::1-", "-", "1-2", "1.2.3-4"),
        *(
            "fe80::1%",
            "fe80::1%a b",
            "fe80::1%\x00",
            "fe80::1%a\nb",
            "fe80::1%;id",
            "fe80::1%" + "a" * 16,
            "fe80::1%a/64",
        ),
        *("\ud800.example", "*.example.org", "a@b", "localhost\\"),
    ],
)
def test_what_is_no_host_is_refused(expression: str) -> None:
    with pytest.raises(InvalidInput):
        expand(expression)


@pytest.mark.parametrize("text", ["a" * 10**6, "é" * 10**5, "1." * 10**5, "a-" * 10**5, ":" * 10**6, "1/" * 10**5])
def test_a_megabyte_is_refused_at_once_and_not_repeated(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidInput) as refused:
        expand(text)
    assert len(refused.value.message) < 300
    assert time.perf_counter() - started < 2


def test_the_largest_network_and_range_are_whole() -> None:
    assert len(expand("10.0.0.0/20")) == MAX_HOSTS - 2
    assert len(expand("10.0.0.0-10.0.15.255")) == MAX_HOSTS
    with pytest.raises(InvalidInput, match="more than 4096"):
        expand("10.0.0.0-10.0.16.0")
