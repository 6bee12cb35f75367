"""The job behind the report: who, what, when, how long. For support, and for finding the job again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.report import printable, words
from shared.contracts.job import StepView
from shared.contracts.report import ReportDocument


@dataclass(frozen=True)
class StepRow:
    stage: str
    state: str
    waited: str
    ran: str
    attempts: str
    summary: str


@dataclass(frozen=True)
class Facts:
    """`pairs` are names and values; `steps` the stages up to this report."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    steps: list[StepRow] = field(default_factory=list)


def facts(document: ReportDocument) -> Facts:
    """Return what is known of the job at the time of writing. Its end is not: the report is a part of it."""
    pairs = [(name, printable.line(value)) for name, value in _pairs(document)]
    return Facts([(name, value) for name, value in pairs if value], [_row(step) for step in document.job.steps])


def _pairs(document: ReportDocument) -> Iterator[tuple[str, str]]:
    job, change = document.job, document.assessment.change
    yield from (("Job", job.id), ("Trace", job.trace_id), ("Batch", job.batch_id or ""), ("Organisation", job.org_id))
    yield from (
        ("Compared with job", change.previous_job_id or ""),
        ("Profile", job.profile),
        ("Priority", job.priority),
    )
    yield "Lane", job.lane
    yield "Asked for", json.dumps(job.request, ensure_ascii=False, default=str)
    yield "Tags", ", ".join(f"{key}={value}" for key, value in sorted(job.tags.items()))
    yield from (("Submitted", words.moment(job.created_at)), ("Started", words.moment(job.started_at)))
    yield "Finished", words.moment(job.finished_at) if job.finished_at else "not yet, when this was written"
    yield from (
        ("Waited", words.span(job.waited_s)),
        ("Ran", words.span(job.ran_s)),
        ("Total", words.span(job.total_s)),
    )
    yield from (("Written by", document.generator), ("Document", document.schema_version))


def _row(step: StepView) -> StepRow:
    return StepRow(
        stage=printable.line(" ".join(part for part in (step.stage.value, step.part) if part), 60),
        state=step.state.value,
        waited=words.span(step.waited_s),
        ran=words.span(step.ran_s),
        attempts=str(step.attempt) if step.attempt else words.NOTHING,
        summary=printable.line(step.summary) or words.NOTHING,
    )
