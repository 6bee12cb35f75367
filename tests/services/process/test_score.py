from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.process.score import CRITICAL_CAP, assess, grade
from shared.contracts.finding import Confidence, Finding, Severity


def finding(rule: str, severity: Severity, confidence: Confidence = Confidence.CERTAIN, mark: str = "") -> Finding:
    return Finding(
        fingerprint=mark or rule,
        rule=rule,
        title="t",
        severity=severity,
        confidence=confidence,
        subject="tcp/10.0.0.5:1",
        what="w",
        why="y",
        fix="f",
    )


FINDINGS = st.lists(
    st.builds(
        finding,
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.sampled_from(Severity),
        st.sampled_from(Confidence),
        st.uuids().map(str),
    ),
    max_size=40,
)


@given(FINDINGS)
def test_the_deductions_add_up_exactly(findings: list[Finding]) -> None:
    judged, assessment = assess(findings)
    assert sum(deduction.points for deduction in assessment.deductions) == 100 - assessment.score
    assert sum(each.points for each in judged) == 100 - assessment.score
    assert {d.finding: d.points for d in assessment.deductions if d.points} == {
        f.fingerprint: f.points for f in judged if f.points
    }


@given(FINDINGS, FINDINGS)
def test_more_findings_never_score_higher(findings: list[Finding], more: list[Finding]) -> None:
    assert assess(findings + more)[1].score <= assess(findings)[1].score


@given(FINDINGS, st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(findings: list[Finding], chance: random.Random) -> None:
    shuffled = chance.sample(findings, len(findings))
    assert assess(shuffled)[1] == assess(findings)[1]
    assert _points(shuffled) == _points(findings)


@given(FINDINGS)
def test_information_costs_nothing(findings: list[Finding]) -> None:
    assert all(f.points == 0 for f in assess(findings)[0] if f.severity is Severity.INFO)


def test_nothing_found_is_a_hundred() -> None:
    assessment = assess([])[1]
    assert (assessment.score, assessment.grade, assessment.deductions) == (100, "A", [])


def test_a_certain_critical_finding_fails_the_target_and_says_why() -> None:
    assessment = assess([finding("a", Severity.CRITICAL)])[1]
    assert (assessment.score, assessment.grade) == (CRITICAL_CAP, "F")
    assert "caps the score" in assessment.deductions[0].reason


def test_a_possible_critical_finding_does_not_cap() -> None:
    assert assess([finding("a", Severity.CRITICAL, Confidence.POSSIBLE)])[1].score == 82


def test_findings_of_one_rule_cost_half_as_much_each() -> None:
    pages = [finding("a", Severity.HIGH, mark=str(n)) for n in range(3)]
    judged, assessment = assess(pages)
    assert [each.points for each in judged] == [20, 10, 5]
    assert [deduction.reason[:10] for deduction in assessment.deductions] == ["", "costs less", "costs less"]


def test_findings_of_different_rules_cost_in_full() -> None:
    assert assess([finding("a", Severity.HIGH), finding("b", Severity.HIGH)])[1].score == 60


def test_the_floor_is_zero_and_everything_is_scaled_to_it() -> None:
    judged, assessment = assess([finding(str(n), Severity.HIGH) for n in range(7)])
    assert assessment.score == 0
    assert sum(each.points for each in judged) == 100
    assert max(each.points for each in judged) - min(each.points for each in judged) <= 0.25
    assert all("cannot fall below 0" in deduction.reason for deduction in assessment.deductions)


def test_even_the_slightest_finding_takes_the_hundred_away() -> None:
    assert assess([finding("a", Severity.LOW, Confidence.POSSIBLE)])[1].score == 99


@pytest.mark.parametrize(("score", "letter"), [(100, "A"), (90, "A"), (89, "B"), (74, "C"), (59, "D"), (39, "F")])
def test_grades(score: int, letter: str) -> None:
    assert grade(score) == letter


def test_all_severities_are_counted_also_those_that_are_absent() -> None:
    counts = assess([finding("a", Severity.LOW)])[1].severities
    assert counts == {"critical": 0, "high": 0, "medium": 0, "low": 1, "info": 0}


def _points(findings: list[Finding]) -> dict[str, float]:
    return {each.fingerprint: each.points for each in assess(findings)[0]}
