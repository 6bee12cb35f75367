"""What a user asks for: targets, and what to do with each."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.job import Contract, JobView, Priority, Profile, Written

MAX_TARGETS = 1000  # target entries in one submission

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Url = Annotated[str, StringConstraints(min_length=3, max_length=2000, pattern=r"^[^\x00-\x20\x7f]*$")]


class Options(Written):
    """What holds for every job of a submission.

    reports: names of report formats.  notify: where to tell, as URLs (`https://…`, `mailto:…`); settings add theirs.
    not_before: when the job may begin; until then it is scheduled.  deadline_s: by when after that it must be done.
    """

    profile: Profile = Profile.STANDARD
    priority: Priority = Priority.NORMAL
    reports: list[Word] = Field(default=["html", "json"], max_length=20)
    notify: list[Url] = Field(default=[], max_length=20)
    tags: dict[Word, Line] = Field(default={}, max_length=20)
    not_before: AwareDatetime | None = None
    deadline_s: int | None = Field(default=None, ge=10, le=7 * 86400)


class JobChange(Written):
    """What is changed of a job that waits; what is not given stays. tags: all of them, not those that are added."""

    tags: dict[Word, Line] | None = Field(default=None, max_length=20)
    priority: Priority | None = None
    deadline_at: AwareDatetime | None = None


class Receipt(Contract):
    """The answer to a submission: its jobs in the order of the targets; with more than one, also their batch."""

    batch_id: str | None = None
    jobs: list[JobView]
