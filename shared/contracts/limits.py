"""Limits of an organisation and of its members, and how much of them is used."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.contracts.job import Contract, Written

Limit = Annotated[int | None, Field(ge=1, le=2**31 - 1)]


class Limits(Written):
    """What an organisation, or one of its members, may use. null: what the installation sets for all, or no limit.

    jobs_per_hour: submitted in any 60 minutes.  concurrent_jobs: under way at once; others wait for a place.
    targets_per_batch: single targets of one submission.  requests_per_minute: of each caller.
    """

    jobs_per_hour: Limit = None
    concurrent_jobs: Limit = None
    targets_per_batch: Limit = None
    requests_per_minute: Limit = None

    def over(self, other: Limits) -> Limits:
        """Return these limits, with those of `other` where there is none."""
        return Limits(**{name: value if value is not None else getattr(other, name) for name, value in self})

    def within(self, other: Limits) -> Limits:
        """Return, of each limit here and in `other`, the lower one."""
        both = {name: [each for each in (value, getattr(other, name)) if each is not None] for name, value in self}
        return Limits(**{name: min(given, default=None) for name, given in both.items()})


class Use(Contract):
    """One limit: what holds for the caller, and how much of it is used. remaining is null without a limit."""

    limit: int | None
    used: int
    remaining: int | None


class Quota(Contract):
    """The limits that hold for the organisation, and what is used of them.

    own: what is set for the organisation itself; a null takes what holds for all.  waiting: jobs held back.
    next_at: when the next of the jobs of this hour no longer counts.
    """

    own: Limits
    jobs_per_hour: Use
    concurrent_jobs: Use
    targets_per_batch: int | None
    requests_per_minute: int | None
    waiting: int
    next_at: datetime | None = None
