"""The notice of one job: what its report says, in a few lines."""

from __future__ import annotations

from shared.contracts.finding import Finding
from shared.contracts.job import StageName
from shared.contracts.notice import Highlight, Notice
from shared.contracts.report import ReportDocument
from shared.ids import now
from shared.store.ledger import outcome

HIGHLIGHTS = 5  # the worst findings; whoever wants more opens the report


def notice(document: ReportDocument, report_url: str = "") -> Notice:
    """Return what to tell of a job whose other stages are over. `report_url` is where people can read on."""
    job, change = document.job, document.assessment.change
    ended = [(step.stage, step.part, step.state) for step in job.steps if step.stage is not StageName.NOTIFY]
    return Notice(
        job_id=job.id,
        org_id=job.org_id,
        kind=job.kind,
        target=job.target,
        state=outcome(ended, job.failure),
        score=job.score,
        grade=job.grade,
        severities=job.severities,
        new=len(change.new) + len(change.reopened),
        fixed=len(change.fixed),
        highlights=[_highlight(finding) for finding in document.findings[:HIGHLIGHTS]],
        gaps=sum(gap.count for gap in document.coverage.gaps),
        reports=job.request["reports"],
        report_url=report_url,
        trace_id=job.trace_id,
        finished_at=now(),
    )


def _highlight(finding: Finding) -> Highlight:
    return Highlight(severity=finding.severity, title=finding.title, subject=finding.subject)
