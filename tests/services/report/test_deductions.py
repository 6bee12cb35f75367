from __future__ import annotations

from services.report.deductions import ladder
from services.report.entries import entries
from shared.contracts.finding import Assessment, Deduction, Severity
from tests.services.report.sample import document, finding, typical


def taken(fingerprint: str, points: float, reason: str = "") -> Deduction:
    return Deduction(finding=fingerprint, rule="r.ule", severity=Severity.HIGH, points=points, reason=reason)


def test_every_deduction_is_a_rung_with_what_is_left() -> None:
    report = typical()
    told = ladder(report, entries(report.findings))
    assert [(rung.number, rung.points, rung.rest) for rung in told.rungs[:3]] == [
        (1, "−25", "75"),
        (2, "−10", "65"),
        (3, "−8", "57"),
    ]
    assert (len(told.rungs), told.total) == (13, "62.5")
    assert told.closing == "What is left, in whole points, is the score: 38."


def test_a_deduction_of_an_unknown_finding_is_told_by_its_rule() -> None:
    report = document(assessment=Assessment(score=90, grade="A", deductions=[taken("gone", 10, "why")]))
    (rung,) = ladder(report, []).rungs
    assert (rung.number, rung.title, rung.reason) == (0, "r.ule", "why")


def test_what_is_left_does_not_fall_below_zero() -> None:
    found = finding(fingerprint="a")
    report = document(findings=[found], assessment=Assessment(score=0, grade="F", deductions=[taken("a", 120)]))
    told = ladder(report, entries([found]))
    assert told.rungs[0].rest == "0"
    assert told.closing.startswith("The deductions exceed 100 points")


def test_deductions_of_nothing_are_counted_instead_of_listed() -> None:
    assessment = Assessment(score=90, grade="A", deductions=[taken("a", 10), taken("b", 0), taken("c", 0)])
    told = ladder(document(assessment=assessment), [])
    assert len(told.rungs) == 1
    assert told.closing.endswith("2 further findings of the same rules cost nothing more.")


def test_a_full_score_has_nothing_to_explain() -> None:
    assert ladder(document(), []).closing == "Nothing was deducted: 100 of 100."
