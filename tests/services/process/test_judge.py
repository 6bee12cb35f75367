"""data/weak-servers.json is what the host scanner saw of real servers, set up badly on purpose.

OpenSSH 9.2 (22 weak, 2222 as it comes), nginx 1.22 (80, 443, 8080), Redis 7.0 (6379 open, 6380 with a password),
memcached, mosquitto and vsftpd.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.process.judge import judge, stamp, unjudged
from services.process.score import assess
from shared.contracts.finding import Finding, Severity
from shared.contracts.job import Contract
from shared.contracts.kinds.host import FACTS, HostFacts, HttpFacts, PortFacts, ServiceFacts, TlsFacts
from shared.contracts.observation import GapReason, Observation
from shared.registry import UnknownPlugin

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECORDED = Path(__file__).parent / "data" / "weak-servers.json"

WORDS = st.text(max_size=20) | st.sampled_from(
    ["ssh", "redis", "vnc", "rdp", "smtp", "imap", "dns", "none", "tls", "nginx/1.18.0", "13.4", "aes128-cbc"]
)
ADDRESSES = st.ip_addresses().map(str) | st.text(max_size=10)
DETAILS = st.dictionaries(
    st.sampled_from(["auth_required", "starttls", "kex", "ciphers", "macs", "security_types", "protocols"])
    | st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=6,
)
FIXED: dict[type[Contract], dict[str, st.SearchStrategy[Any]]] = {
    ServiceFacts: {"name": WORDS, "address": ADDRESSES, "product": WORDS, "version": WORDS, "details": DETAILS},
    TlsFacts: {"address": ADDRESSES, "cipher": WORDS, "version": st.sampled_from(["TLSv1", "TLSv1.3", ""])},
    HttpFacts: {"address": ADDRESSES, "url": WORDS, "headers": st.dictionaries(WORDS, WORDS, max_size=4)},
    HostFacts: {},
    PortFacts: {},
}


def observations(model: type[Contract]) -> st.SearchStrategy[Observation]:
    kind = next(name for name, known in FACTS.items() if known is model)
    return st.builds(model, **FIXED[model]).map(
        lambda facts: Observation(type=kind, subject="tcp/x:1", data=facts.model_dump(), observed_at=AT)
    )


def recorded() -> list[Observation]:
    return [Observation.model_validate(seen) for seen in json.loads(RECORDED.read_text())["observations"]]


def redis(**details: object) -> Observation:
    data = {"address": "10.0.0.5", "port": 6379, "name": "redis", "details": details}
    return Observation(type="service", subject="tcp/10.0.0.5:6379", data=data, observed_at=AT)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of([observations(model) for model in FIXED]), max_size=4), st.datetimes(timezones=st.just(UTC)))
def test_no_observation_of_a_valid_model_makes_a_rule_raise(seen: list[Observation], at: datetime) -> None:
    findings = judge("host", seen, at)
    assert len({finding.fingerprint for finding in findings}) == len(findings)
    assert not unjudged("host", seen)


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8)), st.sampled_from(sorted(FACTS)))
def test_malformed_data_is_a_gap_and_not_an_error(data: dict[str, object], kind: str) -> None:
    seen = Observation(type=kind, subject="tcp/10.0.0.5:1", data={"wrong": 1, **data}, observed_at=AT)
    assert judge("host", [seen], AT) == []
    assert [(gap.subject, gap.reason) for gap in unjudged("host", [seen])] == [("tcp/10.0.0.5:1", GapReason.ERROR)]


def test_malformed_data_does_not_lose_the_findings_of_the_rest() -> None:
    odd = Observation(type="tls", subject="tcp/10.0.0.5:443", data={"chain": "none"}, observed_at=AT)
    assert [finding.rule for finding in judge("host", [odd, redis(auth_required=False)], AT)] == ["redis-no-auth"]


def test_an_unknown_type_is_an_unsupported_gap() -> None:
    odd = Observation(type="quic", subject="udp/10.0.0.5:443", data={}, observed_at=AT)
    assert [gap.reason for gap in unjudged("host", [odd])] == [GapReason.UNSUPPORTED]


def test_a_gap_never_repeats_what_the_target_sent() -> None:
    odd = Observation(type="port", subject="tcp/10.0.0.5:1", data={"port": "s3cret"}, observed_at=AT)
    assert "s3cret" not in unjudged("host", [odd])[0].detail


def test_a_kind_without_rules_is_named() -> None:
    with pytest.raises(UnknownPlugin, match="toaster"):
        judge("toaster", [], AT)


def test_the_fingerprint_outlives_versions_dates_and_texts() -> None:
    early, late = judge("host", recorded(), AT), judge("host", recorded(), AT + timedelta(days=1))
    assert {finding.fingerprint for finding in early} == {finding.fingerprint for finding in late}
    assert {finding.what for finding in early} != {finding.what for finding in late}


def test_the_fingerprint_tells_kind_rule_subject_and_what_sets_apart() -> None:
    finding = judge("host", [redis(auth_required=False)], AT)[0]
    bare = finding.model_copy(update={"fingerprint": ""})
    others = [bare.model_copy(update={field: "x"}) for field in ("rule", "subject", "fingerprint")]
    marks = {stamp("host", each).fingerprint for each in (bare, *others)} | {stamp("node", bare).fingerprint}
    assert len(marks) == 5
    assert stamp("host", bare) == finding


def test_findings_come_worst_first() -> None:
    order = [(finding.severity.rank, finding.rule, finding.subject) for finding in judge("host", recorded(), AT)]
    assert order == sorted(order)


def test_the_same_observations_in_another_order_are_judged_the_same() -> None:
    assert judge("host", recorded()[::-1], AT) == judge("host", recorded(), AT)


def test_the_recorded_servers_have_the_weaknesses_they_were_set_up_with() -> None:
    by_port: dict[str, set[str]] = {}
    for finding in judge("host", recorded(), AT):
        by_port.setdefault(finding.subject.rpartition(":")[2], set()).add(finding.rule)
    ssh = {"ssh-weak-kex", "ssh-weak-cipher", "ssh-weak-mac", "ssh-weak-host-key"}
    https = {"tls-obsolete-version", "tls-short-key", "tls-certificate-self-signed", "http-cookie-flags", "end-of-life"}
    assert by_port["22"] == ssh
    assert by_port["443"] >= https
    assert by_port["6379"] >= {"redis-no-auth"}
    assert by_port["6380"] == {"data-service-cleartext", "data-service-reachable"}
    assert by_port["8080"] >= {"http-basic-auth-cleartext"}
    assert by_port["21"] == {"ftp-cleartext"}


def test_a_default_openssh_passes_without_a_word() -> None:
    assert not [finding for finding in judge("host", recorded(), AT) if finding.subject.endswith(":2222")]


def test_every_finding_of_the_recorded_servers_has_evidence() -> None:
    findings: list[Finding] = judge("host", recorded(), AT)
    assert all(finding.evidence and finding.evidence[0].text for finding in findings)
    assert assess(findings)[1].severities[Severity.CRITICAL] == 1
