"""Wait for jobs: show them, download what was asked for, say how it went, and return the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from shared.contracts.finding import Severity
from shared.contracts.job import JobState, JobView
from vedette.cli import crowd, downloads, live, output, words
from vedette.cli.downloads import Download
from vedette.cli.failure import Exit
from vedette.cli.follow import follow, follow_batch
from vedette.cli.session import Link, Session

COLUMNS = ("id", "target", "state", "score", "grade", "severities", "total_s")
_WORST = (Exit.FAILED, Exit.FINDINGS, Exit.PARTIAL, Exit.OK)


@dataclass(frozen=True)
class Wish:
    """What somebody who waits wants: for how long, reports into which folder (None: no), fail on which severity."""

    timeout_s: float | None = None
    folder: Path | None = None
    fail_on: str | None = None
    formats: tuple[str, ...] | None = None


def wait(session: Session, link: Link, jobs: Sequence[JobView], wish: Wish, batch_id: str | None = None) -> Exit:
    """Wait until all `jobs` are over and return the exit code of the worst. Ctrl-C leaves them running."""
    try:
        if batch_id is None:
            ended = [_watch(session, link, jobs[0], wish)]
        else:
            ended = _watch_batch(session, link, batch_id, wish)
    except KeyboardInterrupt:
        _left(session, link, jobs[0].id)
        return Exit.INTERRUPTED
    files = {job.id: _download(link, job, wish) for job in ended}
    show(session, ended, files)
    return min((code(job, wish.fail_on) for job in ended), key=_WORST.index)


def code(job: JobView, fail_on: str | None) -> Exit:
    """Return the exit code of one job that is over."""
    if job.state not in {JobState.SUCCEEDED, JobState.PARTIAL}:
        return Exit.FAILED
    if fail_on and any(job.severities.get(name) for name in Severity if name.rank <= Severity(fail_on).rank):
        return Exit.FINDINGS
    return Exit.PARTIAL if job.state is JobState.PARTIAL else Exit.OK


def show(session: Session, jobs: Sequence[JobView], files: dict[str, list[Download]]) -> None:
    """Print how jobs ended."""
    if session.output == "table" and not session.fields:
        _say(session, jobs, files)
        return
    rows = [{**job.model_dump(mode="json"), "files": [str(file.path) for file in files[job.id]]} for job in jobs]
    if len(rows) == 1:
        output.record(session, rows[0])
    else:
        output.records(session, rows, COLUMNS, empty="")


def _watch(session: Session, link: Link, job: JobView, wish: Wish) -> JobView:
    with live.view(session.console(stderr=True), is_quiet=session.quiet) as view:
        for seen in follow(link.client, job, timeout_s=wish.timeout_s, note=session.note):
            job = seen
            view.update(job)
    return job


def _watch_batch(session: Session, link: Link, batch_id: str, wish: Wish) -> list[JobView]:
    jobs: list[JobView] = []
    with crowd.Crowd(session.console(stderr=True), is_quiet=session.quiet) as view:
        for seen in follow_batch(link.client, batch_id, timeout_s=wish.timeout_s, note=session.note):
            jobs = seen
            view.update(jobs)
    return jobs


def _download(link: Link, job: JobView, wish: Wish) -> list[Download]:
    if wish.folder is None or job.state not in {JobState.SUCCEEDED, JobState.PARTIAL}:
        return []
    views = link.client.reports(job.id)
    chosen = [view for view in views if wish.formats is None or view.format in wish.formats]
    return downloads.fetch(link.client, job.id, chosen, wish.folder)


def _left(session: Session, link: Link, job_id: str) -> None:
    if link.is_own:
        session.note("Stopped waiting. The job is kept and goes on with the next `vedette up`; then:")
    else:
        session.note("Stopped waiting; the job goes on. To watch it again:")
    session.note(f"  vedette jobs watch {words.short(job_id)}")


def _say(session: Session, jobs: Sequence[JobView], files: dict[str, list[Download]]) -> None:
    console = session.console()
    signs = words.marks(console.file)
    for job in jobs:
        if len(jobs) == 1:
            console.print(verdict(job, signs), soft_wrap=True)
        for place, file in enumerate(files[job.id]):
            console.print(Text(f"  {'' if place else 'Report':<8} {shown(file.path)}"), soft_wrap=True)
    if len(jobs) > 1:
        output.records(session, jobs, COLUMNS, empty="")
        console.print(crowd.totals(jobs, signs), soft_wrap=True)
        return
    job = jobs[0]
    if job.failure and job.failure.cure:
        session.say("fix", job.failure.cure)
    if job.score is not None:
        session.note(f"  Details  vedette jobs findings {words.short(job.id)}")
    else:
        session.note(f"  Details  vedette jobs get {words.short(job.id)}")


def verdict(job: JobView, signs: words.Marks) -> Text:
    """`✓ Succeeded in 3.1 s   Score 71 (C)   1 critical · 3 high · 6 medium · 4 low`"""
    sign = {JobState.SUCCEEDED: signs.done, JobState.PARTIAL: signs.partial}.get(job.state, signs.failed)
    style = words.STATE_STYLES.get(job.state, "")
    text = Text.assemble((f"{sign} {job.state.capitalize()}", f"bold {style}"), f" in {words.seconds(job.total_s)}")
    if job.score is not None:
        text.append(f"   Score {job.score} ({job.grade})", "bold")
        text.append(f"   {words.counts(job.severities, signs)}")
    if job.failure:
        text.append(f"   {words.fitting(words.line(job.failure.message), signs)}", style)
    return text


def shown(path: Path) -> str:
    """Return a path as people would type it here."""
    return path.as_posix() if path.is_absolute() else f"./{path.as_posix()}"
