from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from services.report import layout
from services.report.entries import entries
from services.report.spans import Span
from services.report.weaknesses import Weakness, weaknesses
from shared.contracts.finding import Assessment, ChangeState, Confidence, Deduction, Finding, Reference, Severity
from shared.contracts.report import ReportDocument
from tests.services.report.documents import documents
from tests.services.report.sample import document, finding


def told(*found: Finding) -> list[Weakness]:
    return weaknesses(entries(found))


def at(*subjects: str) -> list[Finding]:
    return [finding(subject=subject, fingerprint=subject) for subject in subjects]


def plain(spans: list[Span]) -> str:
    return "".join(span.text for span in spans)


def test_one_rule_in_several_places_is_one_weakness() -> None:
    (one,) = told(*at("a", "b", "c"))
    assert (one.numbers, one.where, one.points) == ("F1–F3", "3 places", "75")
    assert [(place.entry.number, place.entry.subject) for place in one.places] == [(1, "a"), (2, "b"), (3, "c")]


def test_one_finding_is_a_weakness_of_its_own() -> None:
    (one,) = told(finding(subject="a", what="It is. So."))
    assert (one.numbers, one.where, plain(one.what), one.places[0].what) == ("F1", "a", "It is. So.", [])


def test_several_findings_in_one_place_name_it() -> None:
    (one,) = told(finding(subject="a", what="A."), finding(subject="a", what="B."))
    assert one.where == "a"


@pytest.mark.parametrize(
    "other",
    [
        {"severity": Severity.LOW},
        {"rule": "other"},
        {"title": "other"},
        {"why": "other"},
        {"fix": "other"},
        {"confidence": Confidence.POSSIBLE},
    ],
)
def test_findings_with_other_advice_stand_apart(other: dict[str, Any]) -> None:
    assert len(told(finding(), finding(**other))) == 2


def test_what_is_the_same_everywhere_is_said_once() -> None:
    (one,) = told(*at("a", "b"))
    assert plain(one.what) == finding().what
    assert [place.what for place in one.places] == [[], []]


def test_closing_sentences_in_common_are_said_once_and_the_rest_at_its_place() -> None:
    (one,) = told(finding(what="Redis 6 on a. Seen over loopback."), finding(what="Redis 7 on b. Seen over loopback."))
    assert (one.what, plain(one.everywhere)) == ([], "Seen over loopback.")
    assert [plain(place.what) for place in one.places] == ["Redis 6 on a.", "Redis 7 on b."]


def test_code_is_not_cut_into_sentences() -> None:
    (one,) = told(finding(what="A sets `x. Secure`."), finding(what="B sets `y. Secure`."))
    assert one.everywhere == []
    assert [place.what[1] for place in one.places] == [Span("x. Secure", True), Span("y. Secure", True)]


def test_references_of_all_places_are_listed_once() -> None:
    nginx, redis, both = (Reference(title=name, url="") for name in ("nginx", "redis", "both"))
    (one,) = told(finding(references=[nginx, both]), finding(references=[redis, both]))
    assert [link.title for link in one.links] == ["nginx", "both", "redis"]


def test_a_change_is_counted() -> None:
    states = (ChangeState.NEW, ChangeState.UNCHANGED, ChangeState.NEW, ChangeState.REOPENED)
    (one,) = told(*(finding(change=state) for state in states))
    assert one.change == "2 new · 1 came back"
    assert [each.change for each in told(finding(), finding(rule="b", change=ChangeState.UNCHANGED))] == ["new", ""]


def test_the_deductions_name_each_finding_of_a_weakness() -> None:
    found = [finding(rule="z", fingerprint="z"), *at("a", "b")]
    taken = [Deduction(finding=each, rule="r", severity=Severity.HIGH, points=9) for each in ("b", "z", "a")]
    page = layout.build(document(findings=found, assessment=Assessment(score=73, grade="C", deductions=taken)))
    assert [weakness.numbers for weakness in page.groups[1].weaknesses] == ["F1", "F2–F3"]
    assert [rung.number for rung in page.ladder.rungs] == [3, 1, 2]


@given(documents)
def test_no_finding_is_lost_and_numbers_run_in_reading_order(report: ReportDocument) -> None:
    page = layout.build(report)
    shown = [weakness for group in page.groups for weakness in group.weaknesses] + page.fixed + page.standing
    numbers = [entry.number for weakness in shown for entry in weakness.entries]
    assert numbers == list(range(1, len(report.findings) + len(report.fixed) + len(report.standing) + 1))
