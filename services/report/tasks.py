"""The stage `report`: each format is a part of its own, so that one that fails does not take the others along."""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.report import formats
from shared import registry
from shared.contracts.envelope import Envelope
from shared.contracts.job import Failure, Progress, StageName
from shared.contracts.report import ReportDocument
from shared.layers.ledger import Part, Step
from shared.queue import stage
from shared.store import jobs, ledger, reports
from shared.store.engine import reading


@stage(StageName.REPORT)
def run(envelope: Envelope, step: Step) -> None:
    """Write the job's reports, or the one that was ordered of it."""
    write = write_one if envelope.part else write_all
    write(envelope, step)


def write_all(envelope: Envelope, step: Step) -> None:
    """Write the job's reports in all formats asked for, each as a part of `step`."""
    with reading(envelope.org_id) as connection:
        _, options = jobs.request(connection, envelope.job_id)
        document = reports.document(connection, envelope.job_id)
        wanted = list(dict.fromkeys([*options.reports, *ledger.parts(connection, step.taken.key)]))
    for place, name in enumerate(wanted):
        step.progress(Progress(done=place, total=len(wanted), unit="reports", note=f"rendering {name.upper()}"))
        with step.part(name) as part:
            if not part.is_over:
                _write(part, name, document)
    step.summary = _summary(step.parts)


def write_one(envelope: Envelope, step: Step) -> None:
    """Write a report that was ordered after the end of the job; `step` is that of its format."""
    step.progress(Progress(done=0, total=1, unit="reports", note=f"rendering {envelope.part.upper()}"))
    with reading(envelope.org_id) as connection:
        document = reports.document(connection, envelope.job_id)
    _write(step, envelope.part, document)


def _summary(ended: Mapping[str, Failure | None]) -> str:
    if not ended:
        return "no report asked for"
    return " · ".join(name.upper() for name, failure in ended.items() if not failure) or f"0 of {len(ended)} reports"


def filename(target: str, job_id: str, extension: str) -> str:
    """Return `<target>-<last eight letters of the job id>.<extension>`, with nothing in it that a path could mean.

    The colons of IPv6 become underscores: `__1-59f4bbb4.html`.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", target.replace(":", "_")).strip(".-")[:80] or "report"
    return f"{plain}-{job_id[-8:]}.{extension}"


def _write(part: Part, name: str, document: ReportDocument) -> None:
    form = registry.plugin(formats.__name__, name)
    content = form.render(document)
    job = document.job
    file = filename(job.target, job.id, form.EXTENSION)
    view = reports.describe(job.id, name, form.MEDIA_TYPE, file, content)
    part.keep(lambda write: reports.save(write, part.taken.key.org_id, view, content))
    part.summary = f"{len(content)} bytes"
