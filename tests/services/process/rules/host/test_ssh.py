from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.process.judge import judge
from shared.contracts.finding import Finding
from shared.contracts.observation import Observation

AT = datetime(2026, 11, 22, tzinfo=UTC)
STRICT = "kex-strict-s-v00@openssh.com"
CHACHA = "chacha20-poly1305@openssh.com"


def judged(**details: object) -> dict[str, Finding]:
    data = {"address": "10.0.0.5", "port": 22, "name": "ssh", "details": {"kex": ["curve25519-sha256"], **details}}
    seen = Observation(type="service", subject="tcp/10.0.0.5:22", data=data, observed_at=AT)
    return {finding.rule: finding for finding in judge("host", [seen], AT)}


@pytest.mark.parametrize(
    ("ciphers", "macs", "is_open"),
    [
        ([CHACHA], [], True),
        (["aes128-cbc"], ["hmac-sha2-256-etm@openssh.com"], True),
        (["aes128-cbc"], ["hmac-sha2-256"], False),
        (["aes256-gcm@openssh.com", "aes256-ctr"], ["hmac-sha2-256-etm@openssh.com"], False),
    ],
)
def test_terrapin_needs_an_affected_cipher(ciphers: list[str], macs: list[str], is_open: bool) -> None:
    assert ("ssh-terrapin" in judged(ciphers=ciphers, macs=macs)) is is_open


def test_strict_key_exchange_closes_terrapin() -> None:
    assert judged(kex=["curve25519-sha256", STRICT], ciphers=[CHACHA]) == {}


def test_terrapin_is_not_claimed_where_the_lists_were_not_seen() -> None:
    assert judged(kex=[], ciphers=[CHACHA]) == {}


@pytest.mark.parametrize(
    ("names", "severity"),
    [(["aes128-cbc"], "low"), (["arcfour", "aes128-cbc"], "medium"), (["none"], "high")],
)
def test_the_worst_name_of_a_list_decides(names: list[str], severity: str) -> None:
    assert judged(ciphers=names)["ssh-weak-cipher"].severity == severity


def test_the_fix_names_what_to_remove() -> None:
    fix = judged(kex=["diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1"])["ssh-weak-kex"].fix
    assert "`KexAlgorithms -diffie-hellman-group1-sha1,diffie-hellman-group14-sha1`" in fix


def test_a_name_that_is_no_name_does_not_get_into_the_fix() -> None:
    assert judged(ciphers=["$(reboot)-cbc", "a b-cbc", "x\n-cbc"]) == {}


def test_a_flood_of_names_makes_a_short_finding() -> None:
    assert len(judged(ciphers=[f"x{n}-cbc" for n in range(5000)])["ssh-weak-cipher"].what) < 500
