from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.process.judge import judge
from shared.contracts.finding import Finding
from shared.contracts.observation import Observation

AT = datetime(2026, 11, 22, tzinfo=UTC)


def judged(days_left: float = 60, leaf: dict[str, Any] | None = None, **change: Any) -> dict[str, Finding]:
    certificate: dict[str, Any] = {"subject": "CN=a", "issuer": "CN=b", "key_type": "ed25519"}
    certificate |= {"serial": "1", "sha256": "0" * 64}
    certificate |= {"not_before": (AT - timedelta(days=30)).isoformat(), "names": ["a.example.org"]}
    certificate |= {"not_after": (AT + timedelta(days=days_left)).isoformat(), **(leaf or {})}
    data: dict[str, Any] = {"address": "10.0.0.5", "port": 443, "version": "TLSv1.3"}
    data |= {"cipher": "TLS_AES_128_GCM_SHA256", "chain": [certificate], "is_trusted": True, **change}
    seen = Observation(type="tls", subject="tcp/10.0.0.5:443", data=data, observed_at=AT)
    return {finding.rule: finding for finding in judge("host", [seen], AT)}


@pytest.mark.parametrize(
    ("days_left", "rule", "severity"),
    [
        (-0.1, "tls-certificate-expired", "high"),
        (0.1, "tls-certificate-expiring", "medium"),
        (6.9, "tls-certificate-expiring", "medium"),
        (7.1, "tls-certificate-expiring", "low"),
        (29.9, "tls-certificate-expiring", "low"),
    ],
)
def test_the_nearer_the_end_the_worse(days_left: float, rule: str, severity: str) -> None:
    found = judged(days_left)
    assert {each: finding.severity for each, finding in found.items()} == {rule: severity}


def test_an_expired_certificate_is_not_called_untrusted_as_well() -> None:
    assert set(judged(-1, is_trusted=False, trust_error="certificate has expired")) == {"tls-certificate-expired"}


def test_an_expired_intermediate_makes_the_chain_untrusted() -> None:
    assert set(judged(is_trusted=False, trust_error="certificate has expired")) == {"tls-certificate-untrusted"}


def test_a_self_signed_certificate_is_one_finding_whatever_its_name() -> None:
    found = judged(
        leaf={"is_self_signed": True},
        is_trusted=False,
        trust_error="self-signed certificate",
        name_checked="other.example.org",
        name_matches=False,
    )
    assert set(found) == {"tls-certificate-self-signed"}


def test_between_mail_servers_a_self_signed_certificate_is_of_low_weight() -> None:
    found = judged(leaf={"is_self_signed": True}, is_trusted=False, trust_error="self-signed", starttls="smtp")
    assert found["tls-certificate-self-signed"].severity == "low"


def test_that_the_scan_went_by_address_is_no_mistake_of_the_server() -> None:
    assert judged(name_checked="10.0.0.5", name_matches=False)["tls-name-mismatch"].severity == "info"
    assert judged(name_checked="b.example.org", name_matches=False)["tls-name-mismatch"].severity == "medium"


@pytest.mark.parametrize("error", ["No TLS handshake: UNSUPPORTED_PROTOCOL.", "The peer closed the connection.", ""])
def test_a_chain_that_could_not_be_verified_is_not_called_untrusted(error: str) -> None:
    assert judged(is_trusted=False, trust_error=error) == {}


def test_a_time_without_zone_is_utc() -> None:
    naive = {"not_before": "2026-01-01T00:00:00", "not_after": "2026-11-21T00:00:00"}
    assert "expired on 2026-11-21" in judged(leaf=naive)["tls-certificate-expired"].what


def test_the_evidence_is_the_handshake_in_words() -> None:
    evidence = judged(-1)["tls-certificate-expired"].evidence[0]
    assert evidence.source == "TLS handshake, decoded"
    assert "CN=a by CN=b" in evidence.text
