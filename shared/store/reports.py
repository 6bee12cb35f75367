"""Report files, and the document that they are made from."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from sqlalchemy import Connection, delete, insert, select

from shared.contracts.finding import Assessment, ChangeState
from shared.contracts.job import JobView, StageName
from shared.contracts.report import ReportDocument, ReportView
from shared.errors import NotFound, Resource
from shared.ids import new_id, now
from shared.settings import settings
from shared.store import evidence, findings, jobs, ledger
from shared.store.step import STAGES
from shared.store.tables import reports

GENERATOR = f"Vedette {version('vedette-shared')}"
_BEFORE = STAGES[: STAGES.index(StageName.REPORT)]
_SHOWN = [reports.c[name] for name in ReportView.model_fields]


class ReportTooLarge(Resource):
    """A report is larger than the store takes."""


class ReportNotFound(NotFound):
    """This job has no report of this format."""


def document(connection: Connection, job_id: str) -> ReportDocument:
    """Return everything a report says of one job, which is as `_as_written` says while its report is to be written.

    A job that was never judged has a score of 0 and grade `-`.
    """
    judged = findings.of_job(connection, job_id)
    return ReportDocument(
        generated_at=now(),
        generator=GENERATOR,
        job=_as_written(jobs.view(connection, job_id)),
        assessment=findings.assessment(connection, job_id) or Assessment(score=0, grade="-"),
        findings=[finding for finding in judged if findings.is_current(finding)],
        fixed=[finding for finding in judged if finding.change is ChangeState.FIXED],
        standing=[finding for finding in judged if finding.change is ChangeState.STANDING],
        coverage=evidence.covered(connection, job_id),
        observations=evidence.observed(connection, job_id),
    )


def _as_written(job: JobView) -> JobView:
    """Return the job as its report tells it, which cannot know its own end: the stages before it, and their outcome."""
    before = [step for step in job.steps if step.stage in _BEFORE]
    if not all(step.state in ledger.OVER for step in before) or not any(
        step.stage is StageName.REPORT and not step.part and step.state not in ledger.OVER for step in job.steps
    ):
        return job.model_copy(
            update={"steps": [step for step in job.steps if not step.part or step.state in ledger.OVER]}
        )
    state = ledger.outcome([(step.stage, step.part, step.state) for step in before], job.failure)
    return job.model_copy(update={"state": state, "steps": before})


def save(connection: Connection, org_id: str, view: ReportView, content: bytes) -> None:
    """Write one report file, in place of an earlier one of the same job and format."""
    connection.execute(delete(reports).where(reports.c.job_id == view.job_id, reports.c.format == view.format))
    connection.execute(insert(reports), {**view.model_dump(), "org_id": org_id, "content": content})


def describe(job_id: str, name: str, media_type: str, filename: str, content: bytes) -> ReportView:
    """Return the view of a new report. Raises ReportTooLarge."""
    limit = settings().blob_limit_bytes
    if len(content) > limit:
        raise ReportTooLarge(
            f"The {name} report has {len(content)} bytes, more than {limit}.", cure="Raise VEDETTE_BLOB_LIMIT_BYTES."
        )
    return ReportView(
        id=new_id(),
        job_id=job_id,
        format=name,
        media_type=media_type,
        filename=filename,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        created_at=now(),
    )


def of_job(connection: Connection, job_id: str) -> list[ReportView]:
    """Return the reports of a job by format."""
    query = select(*_SHOWN).where(reports.c.job_id == job_id).order_by(reports.c.format)
    return [ReportView.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def page(connection: Connection, org_id: str, limit: int, before: str = "", form: str = "") -> list[ReportView]:
    """Return up to `limit` reports of an organisation, newest first, older than the id `before`; of one format."""
    query = select(*_SHOWN).where(reports.c.org_id == org_id).order_by(reports.c.id.desc()).limit(limit)
    if before:
        query = query.where(reports.c.id < before)
    if form:
        query = query.where(reports.c.format == form)
    return [ReportView.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def content(connection: Connection, job_id: str, name: str) -> tuple[ReportView, bytes]:
    """Return one report file. Raises ReportNotFound."""
    query = select(*_SHOWN, reports.c.content).where(reports.c.job_id == job_id, reports.c.format == name)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise ReportNotFound(
            f"Job {job_id} has no {name[:32]} report.", cure=f"See what there is: vedette jobs get {job_id}"
        )
    shown = dict(row)
    return ReportView.model_validate({key: value for key, value in shown.items() if key != "content"}), shown["content"]
