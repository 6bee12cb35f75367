"""The difference between a scan and the ones before it.

Absence is not proof: a finding counts as fixed only when its subject was checked again, and what it
rests on could be seen. What was not checked stays `standing`, and is compared with the next scan that does check it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared import registry
from shared.contracts.finding import Change, ChangeState, Finding
from shared.contracts.job import Profile
from shared.contracts.observation import Coverage, Observation
from shared.contracts.target import TargetModel

PACKAGE = "services.process.rules"
_Checked = Callable[[TargetModel, Profile, Coverage, Sequence[Observation]], Callable[[Finding], bool]]


@dataclass(frozen=True)
class Scope:
    """What a scan was asked to look at, and how much of that it could check. Scores of equal scopes can be compared."""

    target: Mapping[str, object]
    profile: Profile
    unit: str
    asked: int
    checked: int


@dataclass(frozen=True)
class Comparison:
    """What became of the findings. `findings` are the current ones, in their order, with `change` and `first_seen_at`.

    fixed: earlier findings that are gone, as they were last seen.  standing: earlier ones that nobody looked at now.
    """

    findings: list[Finding]
    fixed: list[Finding]
    standing: list[Finding]
    change: Change


def compare(
    current: Sequence[Finding],
    previous: Sequence[Finding] | None,
    *,
    first_seen: Mapping[str, datetime],
    was_checked: Callable[[Finding], bool],
    at: datetime,
) -> Comparison:
    """Compare with the findings that were open after the last finished scan of the same target.

    previous: that scan's findings and those standing after it; None for a first scan.  first_seen: of every
    fingerprint ever found at the target.  at: when the current scan saw.  What `change` says of the previous job (id,
    score, whether it is comparable) is the caller's to fill in.
    """
    before = {finding.fingerprint: finding for finding in previous or ()}
    findings = [_dated(finding, before, first_seen, at) for finding in current]
    now = {finding.fingerprint for finding in current}
    gone = [finding for mark, finding in before.items() if mark not in now]
    fixed = [f.model_copy(update={"change": ChangeState.FIXED}) for f in gone if was_checked(f)]
    return Comparison(
        findings=findings,
        fixed=fixed,
        standing=[finding for finding in gone if not was_checked(finding)],
        change=Change(
            new=_marks(findings, ChangeState.NEW),
            unchanged=_marks(findings, ChangeState.UNCHANGED),
            reopened=_marks(findings, ChangeState.REOPENED),
            fixed=[finding.fingerprint for finding in fixed],
        ),
    )


def checked(
    target: TargetModel, profile: Profile, coverage: Coverage, observations: Sequence[Observation]
) -> Callable[[Finding], bool]:
    """Return the predicate `was_checked(finding)` of one scan, made by the target's own kind.

    A kind says so by `checked(target, profile, coverage, observations)` in its folder of rules. One without it looks
    at the whole target every time: whatever no gap names was checked. Raises UnknownPlugin.
    """
    own: _Checked | None = getattr(registry.plugin(PACKAGE, target.kind), "checked", None)
    if own:
        return own(target, profile, coverage, observations)
    gaps = {gap.subject for gap in coverage.gaps}
    return lambda finding: finding.subject not in gaps


def scope(target: Mapping[str, object], profile: Profile, coverage: Coverage) -> Scope:
    """Return the scope of a scan. target: as it was asked for."""
    return Scope(target, profile, coverage.unit, coverage.asked, coverage.checked)


def _dated(
    finding: Finding, before: Mapping[str, Finding], first_seen: Mapping[str, datetime], at: datetime
) -> Finding:
    mark = finding.fingerprint
    if mark in before:
        change, since = ChangeState.UNCHANGED, first_seen.get(mark) or before[mark].first_seen_at
    elif mark in first_seen:
        change, since = ChangeState.REOPENED, first_seen[mark]
    else:
        change, since = ChangeState.NEW, at
    return finding.model_copy(update={"change": change, "first_seen_at": since or at})


def _marks(findings: Sequence[Finding], change: ChangeState) -> list[str]:
    return [finding.fingerprint for finding in findings if finding.change is change]
