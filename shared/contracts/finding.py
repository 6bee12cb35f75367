"""A finding: one judged fact, with what, why and how to fix. And the assessment: the score that findings add up to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.contracts.job import Contract
from shared.contracts.observation import Evidence


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """CERTAIN: proven by the evidence. LIKELY: the target says so itself. POSSIBLE: inferred."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class ChangeState(StrEnum):
    """A finding against the last scan of the same target. STANDING: of an earlier scan, not checked again."""

    NEW = "new"
    UNCHANGED = "unchanged"
    REOPENED = "reopened"
    FIXED = "fixed"
    STANDING = "standing"


class Reference(Contract):
    title: str
    url: str


class Finding(Contract):
    """One judged fact. `fingerprint` is stable over scans: the same weakness at the same place has the same one."""

    id: str = ""
    fingerprint: str = ""
    rule: str
    title: str
    severity: Severity
    confidence: Confidence = Confidence.CERTAIN
    subject: str
    what: str
    why: str
    fix: str
    references: list[Reference] = []
    evidence: list[Evidence] = []
    points: float = Field(default=0.0, ge=0)
    change: ChangeState = ChangeState.NEW
    first_seen_at: datetime | None = None


class Deduction(Contract):
    """Points that one finding took from the score. `reason` names a cap or a diminishing, if one applied."""

    finding: str
    rule: str
    severity: Severity
    points: float
    reason: str = ""


class Change(Contract):
    """The difference to the last finished scan of the same target. Lists hold fingerprints.

    is_comparable: both were asked for the same and could check as much of it, so that their scores mean the same.
    """

    previous_job_id: str | None = None
    previous_score: int | None = None
    is_comparable: bool = True
    new: list[str] = []
    unchanged: list[str] = []
    reopened: list[str] = []
    fixed: list[str] = []


class Assessment(Contract):
    """The judgement of one job: 100 minus the deductions, not below 0, and its grade."""

    score: int = Field(ge=0, le=100)
    grade: str
    deductions: list[Deduction] = []
    severities: dict[str, int] = {}
    change: Change = Change()
