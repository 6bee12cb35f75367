"""Findings across jobs, and what people decided about them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from shared.contracts.finding import Finding
from shared.contracts.job import Contract, Written

MAX_TRIAGED = 10_000  # findings of one request

_Note = Annotated[str, StringConstraints(max_length=1000)]
# Near the ends of the calendar a moment may have no equivalent in UTC.
_Until = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class FindingStatus(StrEnum):
    """What was decided. It holds for the same finding of the same target in every scan to come."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    FALSE_POSITIVE = "false_positive"
    ACCEPTED_RISK = "accepted_risk"


class FindingTriage(Contract):
    """A decision. until: when it ends and the finding is open again."""

    status: FindingStatus
    note: str = ""
    until: datetime | None = None
    changed_by: str = ""
    changed_at: datetime


class FindingView(Finding):
    """A finding with where it was found. status: as decided, `open` where nothing was or the decision has ended."""

    job_id: str
    target: str
    kind: str
    status: FindingStatus = FindingStatus.OPEN
    triage: FindingTriage | None = None


class TriageChange(Written):
    """What to decide about a finding."""

    status: FindingStatus
    note: _Note = ""
    until: _Until | None = None


class BulkTriage(TriageChange):
    """What to decide about many: by ids or by query. all: also those of scans that are not the newest of their target.

    expect: how many they are; another number is refused.  dry_run: only say how many.
    """

    ids: list[str] = Field(default=[], max_length=1000)
    q: str | None = Field(default=None, max_length=1000)
    all: bool = False
    expect: int | None = Field(default=None, ge=0)
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.ids) == (self.q is not None):
            raise ValueError("give either `ids` or `q`")
        return self


class Triaged(Contract):
    """How many findings a decision is about, and whether it was made."""

    total: int
    dry_run: bool = False
