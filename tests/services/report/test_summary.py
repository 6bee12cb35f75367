from __future__ import annotations

from typing import Any

import pytest

from services.report import summary
from shared.contracts.finding import Assessment, Change, ChangeState, Deduction, Finding, Severity
from shared.contracts.observation import Coverage, Gap, GapReason
from shared.contracts.report import ReportDocument
from tests.services.report.sample import document, empty, finding, job, typical

LAST = "01928d00-1111-7222-8333-444455556666"


def judged(findings: list[Finding], score: int = 71, change: Change | None = None, **more: Any) -> ReportDocument:
    deductions = [
        Deduction(finding=each.fingerprint, rule=each.rule, severity=each.severity, points=each.points)
        for each in findings
    ]
    assessment = Assessment(score=score, grade="C", deductions=deductions, change=change or Change())
    return document(findings=findings, assessment=assessment, **more)


def lacking(asked: int, checked: int, *gaps: tuple[GapReason, int]) -> Coverage:
    return Coverage(
        asked=asked, checked=checked, gaps=[Gap(subject="x", reason=reason, count=count) for reason, count in gaps]
    )


def test_a_typical_report_is_four_sentences() -> None:
    assert summary.sentences(typical()) == [
        "db.example.org scores 38 of 100 (grade F) with 14 findings: 1 critical, 3 high, 6 medium, 3 low and 1 info.",
        "The 4 critical and high findings cost 49 of the 62.5 points deducted; begin with “Redis answers without a "
        "password” on tcp/192.0.2.10:6379.",
        "The last scan scored 31, but it did not check the same things as this one, so the scores cannot be compared: "
        "6 findings are new, 1 came back, 1 is gone and 1 was not checked again.",
        "37 of 214 ports (17 %) could not be checked (mostly filtered); what is there remains unknown.",
    ]


def test_a_clean_host_is_told_as_clean_only_with_what_was_checked() -> None:
    assert summary.sentences(document()) == [
        "db.example.org scores 100 of 100 (grade A): nothing was found that calls for a change.",
        "This is the first finished scan of this target, so there is nothing to compare it with.",
        "All 214 ports asked for were checked.",
    ]


def test_nothing_checked_is_never_told_as_a_score() -> None:
    told = " ".join(summary.sentences(empty()))
    assert told.startswith("Nothing could be checked on db.example.org, so this report says nothing about its security")
    assert "100" not in told
    assert told.endswith("None of the 214 ports could be checked (filtered).")


def test_a_job_that_was_never_judged_has_no_grade() -> None:
    unjudged = document(assessment=Assessment(score=0, grade="-"))
    assert not summary.is_judged(unjudged)
    assert "was not judged" in summary.verdict(unjudged)
    assert summary.why_ungraded(unjudged) == "what was seen was not judged"
    assert summary.why_ungraded(document()) == ""


def test_findings_alone_make_a_judgement() -> None:
    assert summary.is_judged(judged([finding()], coverage=lacking(10, 0)))


@pytest.mark.parametrize(
    ("severities", "words"),
    [
        (["high"], "with 1 finding, of severity high."),
        (["low", "low"], "with 2 findings, all of severity low."),
        (["critical", "info"], "with 2 findings: 1 critical and 1 info."),
    ],
)
def test_the_verdict_counts_in_words(severities: list[str], words: str) -> None:
    assert summary.verdict(judged([finding(Severity(each)) for each in severities])).endswith(words)


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([], ""),
        ([finding(Severity.LOW)], "No finding is critical or high."),
        ([finding()], "Begin with “Redis answers without a password” on tcp/192.0.2.10:6379."),
        (
            [finding(title="A"), finding(title="B", points=30), finding(Severity.CRITICAL, title="C", points=5)],
            "The 3 critical and high findings cost all 60 points deducted; begin with “C” on tcp/192.0.2.10:6379.",
        ),
        ([finding(title="A", points=0), finding(points=0)], "Begin with “A” on tcp/192.0.2.10:6379."),
    ],
)
def test_the_worst_finding_is_where_to_begin(findings: list[Finding], words: str) -> None:
    assert summary.start(judged(findings)) == words


@pytest.mark.parametrize(
    ("previous_score", "states", "words"),
    [
        (71, [ChangeState.UNCHANGED], "Nothing has changed since the last scan."),
        (80, [ChangeState.UNCHANGED], "Since the last scan the score fell from 80 to 71; the findings are the same."),
        (71, [ChangeState.NEW], "Since the last scan 1 finding is new."),
        (50, [ChangeState.REOPENED] * 2, "Since the last scan the score rose from 50 to 71: 2 findings came back."),
        (None, [ChangeState.NEW] * 2, "Since the last scan 2 findings are new."),
    ],
)
def test_the_change_is_told_with_its_direction(
    previous_score: int | None, states: list[ChangeState], words: str
) -> None:
    last = Change(previous_job_id=LAST, previous_score=previous_score)
    assert summary.change(judged([finding(change=state) for state in states], change=last)) == words


def test_a_narrower_scan_does_not_praise_itself() -> None:
    last = Change(previous_job_id=LAST, previous_score=59)
    apart = (
        "The last scan scored 59, but it did not check the same things as this one, so the scores cannot be compared"
    )
    narrower = judged([], 88, last, standing=[finding()] * 6)
    assert summary.change(narrower) == f"{apart}: 6 findings were not checked again."


@pytest.mark.parametrize(
    ("previous_score", "states", "words"),
    [
        (100, [ChangeState.NEW] * 3, "so the scores cannot be compared: 3 findings were not found before."),
        (71, [ChangeState.UNCHANGED], "so the scores cannot be compared: the findings are the same."),
        (None, [ChangeState.NEW], "did not check the same things as this one: 1 finding was not found before."),
    ],
)
def test_scans_of_different_things_have_no_direction(
    previous_score: int | None, states: list[ChangeState], words: str
) -> None:
    last = Change(previous_job_id=LAST, previous_score=previous_score, is_comparable=False)
    told = summary.change(judged([finding(change=state) for state in states], change=last))
    assert told.endswith(words)
    assert "rose" not in told
    assert "fell" not in told


def test_findings_gone_are_not_claimed_when_nothing_was_checked() -> None:
    last = Change(previous_job_id=LAST, previous_score=20)
    blind = judged([], change=last, coverage=lacking(10, 0), fixed=[finding()])
    assert summary.change(blind) == "Findings of the last scan could be neither confirmed nor ruled out."


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (Coverage(), ""),
        (lacking(1, 1), "The only port asked for was checked."),
        (lacking(1, 0, (GapReason.TIMEOUT, 1)), "The only port could not be checked (timed out)."),
        (lacking(2, 2), "All 2 ports asked for were checked."),
        (
            lacking(2, 2, (GapReason.ERROR, 1)),
            "All 2 ports asked for were checked, but 1 deeper check could not be made.",
        ),
        (lacking(0, 0, (GapReason.ERROR, 2)), "What was asked for was checked, but 2 deeper checks could not be made."),
        (lacking(9, 0, (GapReason.FILTERED, 9)), "None of the 9 ports could be checked (filtered)."),
        (
            lacking(1000, 990, (GapReason.TIMEOUT, 3), (GapReason.FILTERED, 7)),
            "10 of 1,000 ports (1 %) could not be checked (7 filtered and 3 timed out); what is there remains unknown.",
        ),
        (lacking(9, 8), "1 of 9 ports (11 %) could not be checked; what is there remains unknown."),
        (lacking(5, 9), "All 5 ports asked for were checked."),
    ],
)
def test_what_was_not_checked_is_said(coverage: Coverage, words: str) -> None:
    assert summary.coverage(coverage) == words


def test_a_target_without_a_name_still_makes_a_sentence() -> None:
    assert summary.verdict(document(job=job(target=" \n"))).startswith("The target scores 100")
