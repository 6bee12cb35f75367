"""The score: 100 minus deductions, each of which belongs to one finding. docs/rules.md states the same in words.

1. A finding costs WEIGHT[severity] x SURENESS[confidence] points.
2. Of one rule, the worst finding costs all of that, the next one half, then a quarter ...; from the ninth on nothing:
   ten pages without a header are one mistake, not ten.
3. A certain critical finding caps the score at CRITICAL_CAP: no amount of good elsewhere makes up for an open door.
4. The score is rounded down and never below 0. The deductions are scaled to add up to exactly 100 minus the score.

Points are whole quarters, which binary floats hold exactly: their sum is exact in any order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction

from shared.contracts.finding import Assessment, Confidence, Deduction, Finding, Severity

WEIGHT = {Severity.CRITICAL: 45, Severity.HIGH: 20, Severity.MEDIUM: 7, Severity.LOW: 2, Severity.INFO: 0}
SURENESS = {Confidence.CERTAIN: Fraction(1), Confidence.LIKELY: Fraction(3, 4), Confidence.POSSIBLE: Fraction(2, 5)}
SAME_RULE = tuple(Fraction(1, 2**n) for n in range(8))
CRITICAL_CAP = 39
GRADES = ((90, "A"), (75, "B"), (60, "C"), (40, "D"), (0, "F"))
_QUARTERS = 4  # units in one point


def assess(findings: Sequence[Finding]) -> tuple[list[Finding], Assessment]:
    """Return the findings with their `points`, in the order given, and the assessment they add up to.

    More findings never score higher, and the order of `findings` does not matter. The change is left empty.
    """
    costs = _costs(findings)
    capped = [n for n, finding in enumerate(findings) if _is_open_door(finding)]
    score = max(0, 100 - _ceiling(sum(costs, Fraction())))
    reasons = ["" if cost == _full(finding) else _SAME for cost, finding in zip(costs, findings, strict=True)]
    if capped and score > CRITICAL_CAP:
        missing = 100 - CRITICAL_CAP - sum(costs, Fraction())
        share = missing / sum(costs[n] for n in capped)
        for n in capped:
            costs[n] += costs[n] * share
            reasons[n] = _CAP
        score = CRITICAL_CAP
    points = _allot((100 - score) * _QUARTERS, costs, findings)
    if sum(costs, Fraction()) > 100:
        reasons = [reason or _FLOOR for reason in reasons]
    return _judgement(findings, costs, points, reasons, score)


def grade(score: int) -> str:
    """Return A to F: A from 90, B from 75, C from 60, D from 40."""
    return next(letter for least, letter in GRADES if score >= least)


def _costs(findings: Sequence[Finding]) -> list[Fraction]:
    """Return what each finding costs by itself, after the diminishing within its rule."""
    by_rule: dict[str, list[int]] = defaultdict(list)
    for n, finding in enumerate(findings):
        by_rule[finding.rule].append(n)
    costs = [Fraction()] * len(findings)
    for members in by_rule.values():
        members.sort(key=lambda n: (-_full(findings[n]), findings[n].subject, findings[n].fingerprint))
        for n, factor in zip(members, SAME_RULE, strict=False):
            costs[n] = _full(findings[n]) * factor
    return costs


def _full(finding: Finding) -> Fraction:
    return WEIGHT[finding.severity] * SURENESS[finding.confidence]


def _is_open_door(finding: Finding) -> bool:
    return finding.severity is Severity.CRITICAL and finding.confidence is Confidence.CERTAIN


def _allot(units: int, costs: Sequence[Fraction], findings: Sequence[Finding]) -> list[float]:
    """Share out `units` quarters in proportion to `costs`, by the largest remainder, so that nothing is lost."""
    total = sum(costs, Fraction())
    if not total:
        return [0.0] * len(costs)
    exact = [units * cost / total for cost in costs]
    whole = [int(share) for share in exact]
    order = sorted(range(len(costs)), key=lambda n: (whole[n] - exact[n], findings[n].rule, findings[n].fingerprint))
    for n in order[: units - sum(whole)]:
        whole[n] += 1
    return [count / _QUARTERS for count in whole]


def _judgement(
    findings: Sequence[Finding], costs: Sequence[Fraction], points: Sequence[float], reasons: Sequence[str], score: int
) -> tuple[list[Finding], Assessment]:
    judged = [finding.model_copy(update={"points": cost}) for finding, cost in zip(findings, points, strict=True)]
    deductions = [
        Deduction(finding=f.fingerprint, rule=f.rule, severity=f.severity, points=f.points, reason=reason)
        for f, cost, reason in zip(judged, costs, reasons, strict=True)
        if cost or f.severity is not Severity.INFO
    ]
    deductions.sort(key=lambda deduction: (-deduction.points, deduction.rule, deduction.finding))
    counts = Counter(finding.severity for finding in findings)
    severities = {severity.value: counts[severity] for severity in Severity}
    return judged, Assessment(score=score, grade=grade(score), deductions=deductions, severities=severities)


def _ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


_SAME = "costs less: a worse or equal finding of the same rule counts in full"
_CAP = f"a certain critical finding caps the score at {CRITICAL_CAP}"
_FLOOR = "scaled: the score cannot fall below 0"
