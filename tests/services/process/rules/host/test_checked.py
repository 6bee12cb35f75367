from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.process.rules.host import checked
from shared.contracts.job import Profile
from shared.contracts.kinds.host import Target
from shared.contracts.observation import Coverage, Gap, GapReason, Observation

AT = datetime(2026, 11, 22, tzinfo=UTC)


def was_checked(subject: str, *gaps: Gap, ports: str = "22,80,443", seen: tuple[str, ...] = ()) -> bool:
    data = {"name": "db", "addresses": ["10.0.0.5", "::1", "10.0.0.6"], "answered": ["10.0.0.5", "::1"]}
    observations = [Observation(type="host", subject="host", data=data, observed_at=AT)]
    observations += [Observation(type="service", subject=each, data={}, observed_at=AT) for each in seen]
    target = Target(host="db", ports=ports)
    return checked(target, Profile.QUICK, Coverage(gaps=list(gaps)), observations)(subject)


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
    assert not predicate("host")
    assert not predicate("tcp/10.0.0.5:80")
