"""What people decide about dead letters, and the numbers they decide by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, model_validator

from shared.contracts.dead_letter import DeadLetterState, Rule, Selection
from shared.contracts.job import Contract, StageName, Written
from shared.errors import FailureClass


class DeadLetterFilter(Contract):
    """Which dead letters to list. q: a query; group: a fingerprint; None passes all. Given ones must all hold."""

    q: str | None = None
    state: DeadLetterState | None = None
    failure_class: FailureClass | None = None
    stage: StageName | None = None
    group: str | None = None


class Reclassify(Written):
    """Give a dead letter another class. learn: and all later ones of its fingerprint, by a rule."""

    failure_class: FailureClass
    learn: bool = False


# Near the ends of the calendar a moment may have no equivalent in UTC.
_Until = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class Snooze(Written):
    """Put a dead letter aside until then."""

    until: _Until


class BulkDiscard(Written):
    """Discard dead letters. expect: how many they are; another number is refused.  dry_run: only say how many."""

    selection: Selection
    expect: int | None = Field(default=None, ge=0)
    reason: str = Field(default="", max_length=500)
    dry_run: bool = False


class DeadLetterStats(Contract):
    """How many dead letters there are: of all states in `by_state`, of those that are open in the others."""

    open: int = 0
    by_state: dict[str, int] = {}
    by_class: dict[str, int] = {}
    by_stage: dict[str, int] = {}
    by_reason: dict[str, int] = {}
    oldest_open_at: datetime | None = None


class Payload(Contract):
    """The message of a dead letter as it was sent. text: its bytes, those that are no UTF-8 replaced.

    is_cut: more was sent than is kept.  message: headers and body, decoded where they can be.
    """

    id: str
    size_bytes: int
    text: str
    is_cut: bool = False
    message: dict[str, Any] | None = None


class NewRule(Written):
    """A rule to be made: what the failures have in common, and the class they get. At least one thing in common."""

    fingerprint: str = Field(default="", max_length=64)
    stage: StageName | None = None
    error_type: str = Field(default="", max_length=255)
    code: str = Field(default="", max_length=64)
    contains: str = Field(default="", max_length=1000)
    failure_class: FailureClass

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.fingerprint or self.stage or self.error_type or self.code or self.contains):
            raise ValueError("a rule needs at least one of `fingerprint`, `stage`, `error_type`, `code`, `contains`")
        return self


class RuleTest(Contract):
    """What a rule would match among the dead letters there are. `samples` are ids, newest first."""

    rule: Rule
    matches: int
    samples: list[str] = []
