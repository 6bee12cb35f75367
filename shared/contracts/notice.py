"""What a notification says. Channels render it; they never see findings beyond these counts and titles."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.contracts.finding import Severity
from shared.contracts.job import Contract, JobState


class Highlight(Contract):
    """One of the worst findings, for people who will read no further."""

    severity: Severity
    title: str
    subject: str


class Notice(Contract):
    """The end of one job. Times are UTC. `report_url` is empty when no public address of the gateway is set."""

    type: Literal["job.finished"] = "job.finished"
    job_id: str
    org_id: str
    kind: str
    target: str
    state: JobState
    score: int | None = None
    grade: str | None = None
    severities: dict[str, int] = {}
    new: int = 0
    fixed: int = 0
    highlights: list[Highlight] = []
    gaps: int = 0
    reports: list[str] = []
    report_url: str = ""
    trace_id: str = ""
    finished_at: datetime
