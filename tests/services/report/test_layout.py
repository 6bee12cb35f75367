from __future__ import annotations

import pytest

from services.report import layout
from shared.contracts.finding import Assessment, Change
from shared.contracts.job import Failure
from tests.services.report.sample import document, empty, finding, job, typical


def test_findings_stand_in_groups_worst_first() -> None:
    page = layout.build(typical())
    assert [(group.severity, group.count) for group in page.groups] == [
        ("critical", 1),
        ("high", 3),
        ("medium", 6),
        ("low", 3),
        ("info", 1),
    ]
    assert sum(group.share for group in page.groups) == pytest.approx(1)


def test_a_host_that_could_not_be_checked_has_no_score() -> None:
    page = layout.build(empty())
    assert (page.score, page.grade, page.tone) == (None, "–", "none")
    assert page.why_ungraded == "nothing could be checked"
    assert (page.checked_share, page.checked_percent) == (0.0, "0 %")


@pytest.mark.parametrize(
    ("grade", "score", "tone"),
    [("A", 95, "great"), ("b", 80, "good"), ("F", 99, "bad"), ("?", 95, "great"), ("", 10, "bad"), ("7", 60, "poor")],
)
def test_the_colour_is_that_of_the_grade_or_else_of_the_score(grade: str, score: int, tone: str) -> None:
    assert layout.build(document(assessment=Assessment(score=score, grade=grade))).tone == tone


def test_a_failed_job_says_so_first() -> None:
    failure = Failure(code="host-gone", failure_class="temporary", message="The host stopped answering.", cure="Rerun.")
    page = layout.build(document(job=job(failure=failure)))
    assert page.notices == ["The job did not finish as planned: The host stopped answering. Rerun."]


def test_a_first_scan_has_no_change() -> None:
    page = layout.build(document(findings=[finding()]))
    assert (page.change, page.changed) == ([], [])
    assert not any(entry.is_changed for group in page.groups for entry in group.entries)


def test_a_second_clean_scan_is_told_as_such() -> None:
    assessment = Assessment(score=100, grade="A", change=Change(previous_job_id="before", previous_score=100))
    assert layout.build(document(assessment=assessment)).change == ["No findings then or now"]


def test_earlier_findings_are_numbered_after_the_current_ones() -> None:
    page = layout.build(typical())
    assert [weakness.numbers for weakness in (*page.fixed, *page.standing)] == ["F15", "F16"]
    assert page.change == ["6 new", "7 unchanged", "1 came back", "1 gone", "1 not checked again"]
