from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.process.judge import judge
from services.process.rules.host import checked
from shared.contracts.finding import Finding, Severity
from shared.contracts.job import Profile
from shared.contracts.kinds.host import Target
from shared.contracts.observation import Coverage, Gap, GapReason, Observation

AT = datetime(2026, 11, 22, tzinfo=UTC)


def was_checked(subject: str, *gaps: Gap, ports: str = "22,80,443", seen: tuple[str, ...] = ()) -> bool:
    data = {"name": "db", "addresses": ["10.0.0.5", "::1", "10.0.0.6"], "answered": ["10.0.0.5", "::1"]}
    observations = [Observation(type="host", subject="host", data=data, observed_at=AT)]
    observations += [Observation(type="service", subject=each, data={}, observed_at=AT) for each in seen]
    target = Target(host="db", ports=ports)
    return checked(target, Profile.QUICK, Coverage(gaps=list(gaps)), observations)(finding(subject))


def finding(subject: str) -> Finding:
    words = {"title": "t", "what": "w", "why": "y", "fix": "f"}
    return Finding(rule="ssh-weak-mac", severity=Severity.LOW, subject=subject, **words)


def ended_is_checked(before: list[Observation], now: list[Observation]) -> bool:
    [ended] = [each for each in judge("host", before, AT) if each.rule == "end-of-life"]
    data = {"name": "db", "addresses": ["10.0.0.5"], "answered": ["10.0.0.5"]}
    host = Observation(type="host", subject="host", data=data, observed_at=AT)
    return checked(Target(host="db", ports="1-99"), Profile.QUICK, Coverage(), [host, *now])(ended)


def told(product: str, version: str, powered_by: str = "") -> list[Observation]:
    place = {"address": "10.0.0.5", "port": 80}
    service = {**place, "name": "x", "product": product, "version": version}
    page = {**place, "scheme": "http", "url": "http://db/", "status": 200, "headers": {"x-powered-by": powered_by}}
    return [
        Observation(type=kind, subject="tcp/10.0.0.5:80", data=data, observed_at=AT)
        for kind, data in (("service", service), ("http", page))
    ]


def gap(subject: str, detail: str = "") -> Gap:
    return Gap(subject=subject, reason=GapReason.FILTERED, count=3, detail=detail)


@pytest.mark.parametrize("subject", ["host", "tcp/10.0.0.5:80", "tcp/[::1]:443"])
def test_what_was_asked_and_answered_was_checked(subject: str) -> None:
    assert was_checked(subject)


@pytest.mark.parametrize(
    "subject",
    ["tcp/10.0.0.5:8080", "tcp/10.0.0.6:80", "tcp/10.9.9.9:80", "tcp/10.0.0.5", "tcp/[::1:80", "site", "", "tcp/:80"],
)
def test_what_was_not_asked_or_did_not_answer_or_is_no_port_was_not(subject: str) -> None:
    assert not was_checked(subject)


def test_a_gap_of_the_port_itself_takes_it_back() -> None:
    assert not was_checked("tcp/10.0.0.5:80", gap("tcp/10.0.0.5:80"), seen=("tcp/10.0.0.5:80",))


def test_a_gap_of_an_address_covers_the_ports_that_it_names() -> None:
    filtered = gap("tcp/10.0.0.5", "no answer: 70-90")
    assert not was_checked("tcp/10.0.0.5:80", filtered)
    assert was_checked("tcp/10.0.0.5:443", filtered)
    assert was_checked("tcp/[::1]:80", filtered)


@pytest.mark.parametrize("detail", ["", "no answer: 70-90,…", "the network was down"])
def test_a_gap_of_an_address_that_names_no_ports_covers_all(detail: str) -> None:
    assert not was_checked("tcp/[::1]:443", gap("tcp/::1", detail))


def test_a_port_that_was_seen_nevertheless_was_checked() -> None:
    assert was_checked("tcp/10.0.0.5:80", gap("tcp/10.0.0.5"), seen=("tcp/10.0.0.5:80",))


def test_nothing_was_checked_where_nothing_answered() -> None:
    predicate = checked(Target(host="db", ports="80"), Profile.QUICK, Coverage(), [])
    assert not predicate(finding("host"))
    assert not predicate(finding("tcp/10.0.0.5:80"))


OLD_REDIS, OLD_PHP = told("Redis", "5.0.3"), told("nginx", "9.9.9", "PHP/5.6.40")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (OLD_REDIS, told("Redis", "")),
        (OLD_REDIS, told("", "")),
        (OLD_PHP, told("nginx", "9.9.9")),
        (OLD_PHP, told("nginx", "9.9.9", "PHP")),
    ],
)
def test_an_ended_version_that_is_only_hidden_was_not_checked(
    before: list[Observation], now: list[Observation]
) -> None:
    assert not ended_is_checked(before, now)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (OLD_REDIS, told("Redis", "99.1")),
        (OLD_REDIS, told("Valkey", "99.1")),
        (OLD_REDIS, []),
        (OLD_PHP, told("", "", "PHP/99.1")),
        (OLD_PHP, []),
    ],
)
def test_an_ended_version_that_was_replaced_or_is_gone_was_checked(
    before: list[Observation], now: list[Observation]
) -> None:
    assert ended_is_checked(before, now)
