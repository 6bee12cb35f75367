"""How the score adds up: 100 points, each deduction, the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.report import printable, words
from services.report.entries import Entry
from shared.contracts.report import ReportDocument


@dataclass(frozen=True)
class Rung:
    """One deduction and the rest of the 100 after it. `number` is the finding's, 0 when it is not in the report."""

    number: int
    title: str
    severity: str
    points: str
    rest: str
    reason: str


@dataclass(frozen=True)
class Ladder:
    rungs: list[Rung]
    total: str
    closing: str


def ladder(document: ReportDocument, findings: Sequence[Entry]) -> Ladder:
    """Return the deductions that cost something, in the order of the assessment, with the running rest."""
    by_key = {entry.fingerprint: entry for entry in reversed(findings)}
    rest, rungs = 100.0, []
    for each in (deduction for deduction in document.assessment.deductions if deduction.points):
        rest -= each.points
        entry = by_key.get(printable.line(each.finding, 80))
        title = f"{entry.title} ({entry.subject})" if entry else printable.line(each.rule)
        left, taken = words.points(max(rest, 0.0)), f"{words.MINUS}{words.points(each.points)}"
        reason = printable.line(each.reason)
        rungs.append(Rung(entry.number if entry else 0, title, each.severity.value, taken, left, reason))
    total = words.points(sum(each.points for each in document.assessment.deductions))
    return Ladder(rungs, total, _closing(document, rest))


def _closing(document: ReportDocument, rest: float) -> str:
    score = document.assessment.score
    free = sum(not each.points for each in document.assessment.deductions)
    tail = f" {words.counted(free, 'further finding')} of the same rules cost nothing more." if free else ""
    if free == len(document.assessment.deductions):
        return f"Nothing was deducted: {score} of 100."
    if rest < 0:
        return f"The deductions exceed 100 points; the score does not fall below 0. Score: {score}.{tail}"
    return f"What is left, in whole points, is the score: {score}.{tail}"
