"""The report in two to four sentences, and the numbers they rest on. Every word follows from a fact of the document."""

from __future__ import annotations

from collections import Counter

from services.report import printable, words
from shared.contracts.finding import ChangeState, Finding, Severity
from shared.contracts.observation import Coverage
from shared.contracts.report import ReportDocument

URGENT = (Severity.CRITICAL, Severity.HIGH)
UNJUDGED = "-"  # the grade of a job whose observations never met the rules


def sentences(document: ReportDocument) -> list[str]:
    """Return the verdict, where to begin, what changed, what was not checked; nothing where there is nothing to say."""
    parts = (verdict(document), start(document), change(document), coverage(document.coverage))
    return [part for part in parts if part]


def is_judged(document: ReportDocument) -> bool:
    """Whether the score means anything: the rules ran, and something was checked or found."""
    if document.assessment.grade == UNJUDGED:
        return False
    if document.findings:
        return True
    return bool(document.coverage.checked or (not document.coverage.asked and document.observations))


def why_ungraded(document: ReportDocument) -> str:
    """The end of a sentence `No grade, because …`; empty when there is one."""
    if document.assessment.grade == UNJUDGED:
        return "what was seen was not judged"
    return "" if is_judged(document) else "nothing could be checked"


def counts(document: ReportDocument) -> dict[Severity, int]:
    """Findings by severity, worst first, zeros included."""
    found = Counter(finding.severity for finding in document.findings)
    return {severity: found[severity] for severity in Severity}


def verdict(document: ReportDocument) -> str:
    """What was found, and how bad that is."""
    target = name(document)
    if document.assessment.grade == UNJUDGED:
        return f"What was seen of {target} was not judged, so this report has no findings and no grade."
    if not is_judged(document):
        return f"Nothing could be checked on {target}, so this report says nothing about its security and has no grade."
    grade = printable.line(document.assessment.grade, 12)
    head = f"{target} scores {document.assessment.score} of 100 (grade {grade})"
    by = counts(document)
    if not document.findings:
        return f"{head}: nothing was found that calls for a change."
    kinds = [severity for severity in Severity if by[severity]]
    total = words.counted(len(document.findings), "finding")
    if len(document.findings) == 1:
        return f"{head} with 1 finding, of severity {kinds[0].value}."
    if len(kinds) == 1:
        return f"{head} with {total}, all of severity {kinds[0].value}."
    return f"{head} with {total}: {words.listed([f'{by[kind]:,} {kind.value}' for kind in kinds])}."


def start(document: ReportDocument) -> str:
    """Which finding to treat first, and what the urgent ones cost together."""
    if not document.findings:
        return ""
    urgent = [finding for finding in document.findings if finding.severity in URGENT]
    if not urgent:
        return "No finding is critical or high."
    worst = min(urgent, key=lambda finding: (finding.severity.rank, -finding.points))
    where = f"“{printable.line(worst.title, 120)}” on {printable.line(worst.subject, 80)}"
    cost = sum(each.points for each in document.assessment.deductions if each.severity in URGENT)
    total = sum(each.points for each in document.assessment.deductions)
    if len(urgent) == 1 or not cost:
        return f"Begin with {where}."
    kinds = words.listed([kind.value for kind in URGENT if any(each.severity is kind for each in urgent)])
    cost_of = f"all {words.points(total)}" if cost == total else f"{words.points(cost)} of the {words.points(total)}"
    return f"The {len(urgent):,} {kinds} findings cost {cost_of} points deducted; begin with {where}."


def change(document: ReportDocument) -> str:
    """The difference to the last scan. No score rose or fell where the two did not check the same things."""
    last = document.assessment.change
    if last.previous_job_id is None:
        return "This is the first finished scan of this target, so there is nothing to compare it with."
    if not is_judged(document):
        return "Findings of the last scan could be neither confirmed nor ruled out."
    parts = _changed(document)
    if document.standing or not last.is_comparable:
        return f"{_apart(last.previous_score)}: {words.listed(parts or ['the findings are the same'])}."
    moved = _moved(last.previous_score, document)
    if not parts:
        return f"{moved}; the findings are the same." if moved else "Nothing has changed since the last scan."
    return f"{moved}: {words.listed(parts)}." if moved else f"Since the last scan {words.listed(parts)}."


def coverage(checked: Coverage) -> str:
    """How much of what was asked was checked, and why not the rest."""
    unit = printable.line(checked.unit, 40)
    missed = max(checked.asked - checked.checked, 0)
    others = sum(gap.count for gap in checked.gaps) - missed
    if missed == checked.asked == 1:
        return f"The only {unit.removesuffix('s')} could not be checked{_reasons(checked, missed)}."
    if missed and missed == checked.asked:
        return f"None of the {missed:,} {unit} could be checked{_reasons(checked, missed)}."
    if missed:
        head = f"{missed:,} of {checked.asked:,} {unit} ({words.percent(missed, checked.asked)}) could not be checked"
        return f"{head}{_reasons(checked, missed)}; what is there remains unknown."
    if others > 0:
        return f"{_whole(checked, unit)}, but {words.counted(others, 'deeper check')} could not be made."
    return f"{_whole(checked, unit)}." if checked.asked else ""


def name(document: ReportDocument) -> str:
    return printable.line(document.job.target, 120) or "The target"


def by_change(findings: list[Finding]) -> dict[ChangeState, int]:
    found = Counter(finding.change for finding in findings)
    return {state: found[state] for state in ChangeState}


def _moved(previous: int | None, document: ReportDocument) -> str:
    score = document.assessment.score
    if previous is None or previous == score:
        return ""
    verb = "rose" if score > previous else "fell"
    return f"Since the last scan the score {verb} from {previous} to {score}"


def _apart(previous: int | None) -> str:
    head = "The last scan" if previous is None else f"The last scan scored {previous}, but it"
    tail = "" if previous is None else ", so the scores cannot be compared"
    return f"{head} did not check the same things as this one{tail}"


def _changed(document: ReportDocument) -> list[str]:
    found, alike = by_change(document.findings), document.assessment.change.is_comparable
    told = (
        (
            found[ChangeState.NEW],
            *(("is new", "are new") if alike else ("was not found before", "were not found before")),
        ),
        (found[ChangeState.REOPENED], "came back", "came back"),
        (len(document.fixed), "is gone", "are gone"),
        (len(document.standing), "was not checked again", "were not checked again"),
    )
    parts = [f"{number:,} {one if number == 1 else many}" for number, one, many in told if number]
    if parts:
        first = next(number for number, _, _ in told if number)
        number, rest = parts[0].split(" ", 1)
        parts[0] = f"{number} {'finding' if first == 1 else 'findings'} {rest}"
    return parts


def _whole(checked: Coverage, unit: str) -> str:
    if checked.asked == 1:
        return f"The only {unit.removesuffix('s')} asked for was checked"
    return f"All {checked.asked:,} {unit} asked for were checked" if checked.asked else "What was asked for was checked"


def _reasons(checked: Coverage, missed: int) -> str:
    """The gaps' reasons in brackets. Gaps count several units, so their numbers are told only where they add up."""
    found: Counter[str] = Counter()
    for gap in checked.gaps:
        found[words.GAPS[gap.reason][0]] += gap.count
    if not found:
        return ""
    if len(found) == 1:
        return f" ({next(iter(found))})"
    if sum(found.values()) != missed:
        return f" (mostly {found.most_common(1)[0][0]})"
    return f" ({words.listed([f'{number:,} {reason}' for reason, number in found.most_common()])})"
