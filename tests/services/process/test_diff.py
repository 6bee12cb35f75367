from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

import services.process.rules.host as rules
from services.process.diff import Comparison, checked, compare, scope
from shared.contracts.finding import ChangeState, Finding, Severity
from shared.contracts.job import Profile
from shared.contracts.kinds.host import Target
from shared.contracts.observation import Coverage, Gap, GapReason

DAY = timedelta(days=1)
GAP = {"subject": "tcp/10.0.0.5:80", "reason": GapReason.TIMEOUT}
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def finding(mark: str, subject: str = "tcp/10.0.0.5:22") -> Finding:
    words = {"title": "t", "what": "w", "why": "y", "fix": "f"}
    return Finding(fingerprint=mark, rule="r", severity=Severity.LOW, subject=subject, **words)


def against(current: Sequence[Finding], previous: Sequence[Finding] | None, **seen: datetime) -> Comparison:
    return compare(current, previous, first_seen=seen, was_checked=lambda _: True, at=NOW)


def test_all_findings_of_a_first_scan_are_new() -> None:
    result = against([finding("a")], None)
    assert (result.findings[0].change, result.findings[0].first_seen_at) == (ChangeState.NEW, NOW)
    assert result.change.new == ["a"]


def test_a_finding_that_was_there_is_unchanged_and_keeps_its_first_day() -> None:
    result = against([finding("a")], [finding("a")], a=NOW - DAY)
    assert (result.findings[0].change, result.findings[0].first_seen_at) == (ChangeState.UNCHANGED, NOW - DAY)
    assert result.change.unchanged == ["a"]


def test_a_finding_that_comes_back_after_it_was_fixed_is_reopened() -> None:
    result = against([finding("a")], [], a=NOW - DAY)
    assert (result.findings[0].change, result.findings[0].first_seen_at) == (ChangeState.REOPENED, NOW - DAY)
    assert result.change.reopened == ["a"]


def test_a_finding_that_is_gone_is_fixed() -> None:
    result = against([], [finding("a")], a=NOW - DAY)
    assert [(each.fingerprint, each.change) for each in result.fixed] == [("a", ChangeState.FIXED)]
    assert result.change.fixed == ["a"]


def test_a_finding_that_nobody_looked_for_is_standing_and_not_fixed() -> None:
    result = compare(
        [], [finding("a"), finding("b", "host")], first_seen={}, was_checked=lambda f: f.subject == "host", at=NOW
    )
    assert result.change.fixed == ["b"]
    assert [each.fingerprint for each in result.standing] == ["a"]


def test_a_standing_finding_is_unchanged_when_it_is_seen_again_and_fixed_when_it_is_gone() -> None:
    skipped = compare([], [finding("a")], first_seen={"a": NOW - DAY}, was_checked=lambda _: False, at=NOW)
    assert against([finding("a")], skipped.standing, a=NOW - DAY).change.unchanged == ["a"]
    assert against([], skipped.standing, a=NOW - DAY).change.fixed == ["a"]


def test_every_finding_is_in_exactly_one_list() -> None:
    result = against([finding("a"), finding("b"), finding("c")], [finding("b"), finding("d")], b=NOW, c=NOW, d=NOW)
    change = result.change
    assert (change.new, change.unchanged, change.reopened, change.fixed) == (["a"], ["b"], ["c"], ["d"])
    assert [each.fingerprint for each in result.findings] == ["a", "b", "c"]


def test_a_kind_without_an_opinion_checked_whatever_no_gap_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(rules, "checked")
    gaps = Coverage(gaps=[Gap.model_validate(GAP)])
    was_checked = checked(Target(host="db"), Profile.QUICK, gaps, [])
    assert [was_checked(finding("a", f"tcp/10.0.0.5:{port}")) for port in (80, 22)] == [False, True]


def test_scopes_are_the_same_only_when_the_same_was_asked_and_as_much_was_checked() -> None:
    asked, full = {"kind": "host", "host": "db", "ports": "1-9"}, Coverage(asked=9, checked=9)
    this = scope(asked, Profile.QUICK, full)
    assert this == scope(dict(asked), Profile.QUICK, full.model_copy(update={"gaps": [Gap.model_validate(GAP)]}))
    assert this != scope(asked | {"ports": "2-10"}, Profile.QUICK, full)
    assert this != scope(asked, Profile.STANDARD, full)
    assert this != scope(asked, Profile.QUICK, Coverage(asked=9, checked=8))
