"""One job as a sheet: `vedette jobs get`."""

from __future__ import annotations

from rich.text import Text

from shared.contracts.job import JobView, StepState
from vedette.cli import live, words
from vedette.cli.session import Session
from vedette.cli.waiting import verdict


def show(session: Session, job: JobView) -> None:
    """Print the job with its stages."""
    console = session.console()
    signs = words.marks(console.file)
    width = console.width if console.is_terminal else None
    lines = [*live.header(job, width), *live.stage_lines(job, signs)]
    lines.append(
        verdict(job, signs) if job.state.is_terminal else Text(f"  {job.state}", words.STATE_STYLES[job.state])
    )
    lines += [Text.assemble((f"  {label:<9}", "dim"), text) for label, text in facts(job) if text]
    for text in lines:
        console.print(text, soft_wrap=True)
    if job.failure and job.failure.cure:
        session.say("fix", job.failure.cure)
    elif job.waiting and job.waiting.fix:
        session.say("fix", job.waiting.fix)


def facts(job: JobView) -> list[tuple[str, str]]:
    """Return what else there is to say of a job, by label."""
    waited, ran = words.seconds(job.waited_s), words.seconds(job.ran_s)
    reports = [step.part for step in job.steps if step.stage == "report" and step.part]
    ready = [step.part for step in job.steps if step.part in reports and step.state is StepState.SUCCEEDED]
    return [
        ("id", words.line(job.id)),
        ("batch", words.line(job.batch_id or "")),
        ("repeats", words.line(job.origin_id or "")),
        ("run", str(job.run) if job.run > 1 else ""),
        ("stopped", f"by {words.line(job.cancelled_by)}" if job.cancelled_by else ""),
        ("created", f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("time", f"waited {waited}, ran {ran}" if waited and ran else ""),
        ("priority", words.line(f"{job.priority}, lane {job.lane}")),
        ("reports", ", ".join(ready) or (f"{', '.join(reports)} (not ready)" if reports else "")),
        ("tags", words.line(", ".join(f"{key}={value}" for key, value in job.tags.items()))),
    ]
