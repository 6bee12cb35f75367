"""Findings and the assessment of a job, and what is known of the same target from before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from shared.contracts.finding import Assessment, ChangeState, Finding
from shared.contracts.job import JobState
from shared.ids import new_id
from shared.store.tables import assessments, findings, jobs


def save(connection: Connection, job_id: str, org_id: str, judged: Sequence[Finding], assessment: Assessment) -> None:
    """Write the findings (with those of earlier jobs that are fixed or standing) and the assessment of a job."""
    for table in (findings, assessments):
        connection.execute(delete(table).where(table.c.job_id == job_id))
    if judged:
        connection.execute(insert(findings), [_row(job_id, org_id, finding) for finding in judged])
    data = assessment.model_dump(mode="json")
    connection.execute(insert(assessments), {"job_id": job_id, "org_id": org_id, "data": data})
    verdict = {"score": assessment.score, "grade": assessment.grade, "severities": assessment.severities}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**verdict))


def of_job(connection: Connection, job_id: str) -> list[Finding]:
    """Return the findings of a job, worst first, with the fixed and standing ones (see `is_current`)."""
    order = (findings.c.severity_rank, findings.c.rule, findings.c.subject)
    query = select(findings.c.data).where(findings.c.job_id == job_id).order_by(*order)
    return [Finding.model_validate(data) for data in connection.execute(query).scalars()]


def assessment(connection: Connection, job_id: str) -> Assessment | None:
    data = connection.execute(select(assessments.c.data).where(assessments.c.job_id == job_id)).scalar_one_or_none()
    return Assessment.model_validate(data) if data else None


def previous(connection: Connection, job_id: str) -> tuple[str, int | None] | None:
    """Return id and score of the last judged job of the same organisation and target before this one."""
    this = select(jobs.c.org_id, jobs.c.target_key).where(jobs.c.id == job_id).subquery()
    query = (
        select(jobs.c.id, jobs.c.score)
        .join(this, (jobs.c.org_id == this.c.org_id) & (jobs.c.target_key == this.c.target_key))
        .where(jobs.c.id < job_id, jobs.c.grade.is_not(None), jobs.c.state.in_([JobState.SUCCEEDED, JobState.PARTIAL]))
        .order_by(jobs.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return (row.id, row.score) if row else None


def first_seen(connection: Connection, job_id: str) -> dict[str, datetime]:
    """Return when each finding of this job's target was first seen by an earlier job, by fingerprint."""
    this = select(jobs.c.org_id, jobs.c.target_key).where(jobs.c.id == job_id).subquery()
    query = (
        select(findings.c.fingerprint, func.min(findings.c.first_seen_at).label("at"))
        .join(jobs, jobs.c.id == findings.c.job_id)
        .join(this, (jobs.c.org_id == this.c.org_id) & (jobs.c.target_key == this.c.target_key))
        .where(jobs.c.id < job_id)
        .group_by(findings.c.fingerprint)
    )
    return {row.fingerprint: row.at for row in connection.execute(query)}


def _row(job_id: str, org_id: str, finding: Finding) -> dict[str, object]:
    finding = finding.model_copy(update={"id": new_id()})
    names = ("id", "fingerprint", "rule", "severity", "subject", "title", "change", "points", "first_seen_at")
    return {
        **{name: getattr(finding, name) for name in names},
        "job_id": job_id,
        "org_id": org_id,
        "severity_rank": finding.severity.rank,
        "data": finding.model_dump(mode="json"),
    }


def is_current(finding: Finding) -> bool:
    """A finding that this job itself made; the others come from earlier jobs and are fixed, or were not checked."""
    return finding.change not in {ChangeState.FIXED, ChangeState.STANDING}
