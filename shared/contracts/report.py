"""The report document: everything a report format needs, in one model. Its JSON form is the public report schema."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from shared.contracts.finding import Assessment, Finding
from shared.contracts.job import Contract, Failure, JobView, Progress, StepState, Written
from shared.contracts.observation import Coverage, Observation
from shared.contracts.submission import Word

SCHEMA: Final = "vedette.report/1"


class ReportDocument(Contract):
    """One job, judged. Findings are ordered worst first.

    fixed: findings of earlier scans that are gone.  standing: findings of earlier scans that were not checked again.
    """

    schema_version: Literal["vedette.report/1"] = SCHEMA
    generated_at: datetime
    generator: str
    job: JobView
    assessment: Assessment
    findings: list[Finding]
    fixed: list[Finding] = []
    standing: list[Finding] = []
    coverage: Coverage
    observations: list[Observation]


class ReportView(Contract):
    """One finished report file."""

    id: str
    job_id: str
    format: str
    media_type: str
    filename: str
    size_bytes: int
    sha256: str
    created_at: datetime


class NewReport(Written):
    """A report to be made of a job that is over."""

    format: Word


class ReportOrder(Contract):
    """A report that was asked for, and how far it is. report: the file, once it is written."""

    job_id: str
    format: str
    state: StepState
    attempt: int = 0
    progress: Progress | None = None
    failure: Failure | None = None
    next_attempt_at: datetime | None = None
    report: ReportView | None = None
