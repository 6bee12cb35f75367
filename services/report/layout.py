"""The report as a reader sees it: the same words and numbers for HTML and PDF.

Plain strings, safe to look at, not escaped: formats only place and escape what is here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from services.report import deductions, entries, exhibits, printable, record, summary, words
from services.report.deductions import Ladder
from services.report.entries import Entry
from services.report.exhibits import Exhibit
from services.report.record import Facts
from services.report.tables import Table, tables
from services.report.weaknesses import Weakness, weaknesses
from shared.contracts.finding import ChangeState, Severity
from shared.contracts.job import StageName
from shared.contracts.report import ReportDocument

_TONES = {"A": "great", "B": "good", "C": "fair", "D": "poor", "E": "bad", "F": "bad"}


@dataclass(frozen=True)
class Group:
    """The findings of one severity, worst first. `share` of all findings, 0 to 1."""

    severity: str
    count: int
    share: float
    weaknesses: list[Weakness]

    @property
    def entries(self) -> list[Entry]:
        return [entry for weakness in self.weaknesses for entry in weakness.entries]


@dataclass(frozen=True)
class GapRow:
    subject: str
    reason: str
    count: str
    meaning: str
    detail: str


@dataclass(frozen=True)
class Layout:
    """`score` is None when `why_ungraded` says something. `tone` names the colour of the grade."""

    target: str
    kind: str
    made: str
    made_iso: str
    generator: str
    score: int | None
    grade: str
    why_ungraded: str
    tone: str
    summary: list[str]
    notices: list[str]
    groups: list[Group]
    total: int
    change: list[str]
    changed: list[Weakness]
    fixed: list[Weakness]
    standing: list[Weakness]
    coverage: str
    checked_share: float
    checked_percent: str
    gaps: list[GapRow]
    tables: list[Table]
    ladder: Ladder
    annex: list[Exhibit]
    facts: Facts = field(default_factory=Facts)


def build(document: ReportDocument) -> Layout:
    """Return the layout of `document`."""
    judged = summary.is_judged(document)
    annex = exhibits.annex(document.observations, document.findings)
    findings = entries.entries(document.findings, annex=annex)
    if (
        document.assessment.change.previous_job_id is None
    ):  # everything is new then, and saying so at each finding tells nothing
        findings = [replace(entry, is_changed=False) for entry in findings]
    coverage = document.coverage
    return Layout(
        target=summary.name(document),
        kind=printable.line(document.job.kind, 40),
        made=words.moment(document.generated_at),
        made_iso=document.generated_at.isoformat(),
        generator=printable.line(document.generator, 60),
        score=document.assessment.score if judged else None,
        grade=printable.line(document.assessment.grade, 4) if judged else words.NOTHING,
        why_ungraded=summary.why_ungraded(document),
        tone=_tone(document) if judged else "none",
        summary=summary.sentences(document),
        notices=_notices(document),
        groups=_groups(findings),
        total=len(findings),
        change=_change(document),
        changed=weaknesses([entry for entry in findings if entry.is_changed]),
        fixed=weaknesses(entries.entries(document.fixed, len(findings) + 1, annex)),
        standing=weaknesses(entries.entries(document.standing, len(findings) + len(document.fixed) + 1, annex)),
        coverage=summary.coverage(coverage) or "This kind of scan does not count what it checks.",
        checked_share=min(1.0, coverage.checked / coverage.asked) if coverage.asked > 0 else float(judged),
        checked_percent=words.percent(coverage.checked, coverage.asked) if coverage.asked > 0 else "",
        gaps=[_gap(document, index) for index in range(len(coverage.gaps))],
        tables=tables(document.observations),
        ladder=deductions.ladder(document, findings),
        annex=list(annex.values()),
        facts=record.facts(document),
    )


def _tone(document: ReportDocument) -> str:
    """The grade's colour; of a grade nobody knows, the score's."""
    by_score = "FDCBA"[min(4, max(0, document.assessment.score // 10 - 5))]
    return _TONES.get(document.assessment.grade[:1].upper(), _TONES[by_score])


def _notices(document: ReportDocument) -> list[str]:
    """What a reader must know before trusting the rest."""
    failures = [document.job.failure] if document.job.failure else []
    failures += [step.failure for step in document.job.steps if step.failure and step.stage is not StageName.REPORT]
    told = dict.fromkeys(f"{failure.message} {failure.cure}".strip() for failure in failures)
    return [f"The job did not finish as planned: {printable.line(message, 400)}" for message in told]


def _groups(findings: list[Entry]) -> list[Group]:
    groups = []
    for severity in Severity:
        members = [entry for entry in findings if entry.severity == severity.value]
        groups.append(Group(severity.value, len(members), len(members) / max(len(findings), 1), weaknesses(members)))
    return groups


def _change(document: ReportDocument) -> list[str]:
    """The numbers of the change, e.g. `6 new`; empty for a first scan."""
    if document.assessment.change.previous_job_id is None:
        return []
    found = summary.by_change(document.findings)
    found |= {ChangeState.FIXED: len(document.fixed), ChangeState.STANDING: len(document.standing)}
    return [f"{found[state]:,} {words.CHANGES[state]}" for state in ChangeState if found[state]] or [
        "No findings then or now"
    ]


def _gap(document: ReportDocument, index: int) -> GapRow:
    gap = document.coverage.gaps[index]
    reason, meaning = words.GAPS[gap.reason]
    return GapRow(printable.line(gap.subject, 120), reason, f"{gap.count:,}", meaning, printable.line(gap.detail))
