from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from services.scan.net.certificate import Unreadable, matches, parse
from tests.services.scan.certificates import expired_certificate

DER = expired_certificate()[0].public_bytes(Encoding.DER)


def test_the_facts_of_a_certificate_are_read() -> None:
    facts = parse(DER)
    assert (facts.subject, facts.issuer, facts.names) == ("CN=old.example", "CN=old.example", ["old.example"])
    assert facts.not_after == datetime(2001, 12, 31, tzinfo=UTC)
    assert (facts.key_type, facts.key_bits, facts.signature_hash) == ("ec secp256r1", 256, "sha256")
    assert facts.is_self_signed
    assert not facts.is_ca
    assert facts.serial == "c0ffee"


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (["a.example"], "A.example.", True),
        (["*.example.org"], "www.example.org", True),
        (["*.example.org"], "example.org", False),
        (["*.example.org"], "a.b.example.org", False),
        (["*.org"], "example.org", False),
        (["10.0.0.1"], "10.0.0.1", True),
        (["*.0.0.1"], "10.0.0.1", False),
        ([], "a.example", False),
    ],
)
def test_a_wildcard_stands_for_one_label_of_a_name(names: list[str], host: str, expected: bool) -> None:
    assert matches(names, host) is expected


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(data)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
@example(14, 128)  # a negative serial number
def test_no_damaged_certificate_crashes_the_parser(at: int, byte: int) -> None:
    with contextlib.suppress(Unreadable):
        parse(DER[:at] + bytes([byte]) + DER[at + 1 :])
