"""`vedette report`: see which reports there are, get them, and have further ones made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import Conflict, NotFound
from vedette.cli import arguments, options, recall, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.contracts.job import JobView
    from shared.contracts.report import ReportView

app = group("report", "Get the reports of jobs, and have further ones made.", "vedette report download @last")

PAGE = 200  # reports per request; the gateway gives no more
COLUMNS = ("id", "job_id", "format", "filename", "size_bytes", "created_at")


class NotYet(Conflict):
    """The job is not over, so its reports are not there yet."""


class NoReport(NotFound):
    """The job has no report, or none in this format."""


@app.command(
    "list",
    epilog=examples(
        "vedette report list",
        "vedette report list @last",
        "vedette report list --format pdf -o jsonl --limit 500",
    ),
)
@command
def list_(
    session: Session,
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="The end of a job's id, or @last.", show_default="all jobs")
    ] = None,
    form: Annotated[str | None, typer.Option("--format", metavar="NAME", help="Only of this format.")] = None,
    limit: arguments.Limit = 20,
) -> int:
    """List report files, newest first; those of one job by format."""
    from vedette.cli import output, pages  # noqa: PLC0415

    with session.gateway() as link:
        if job is not None:
            found = [one for one in link.client.reports(recall.resolve(job)) if form in {None, one.format}]
            is_more = len(found) > limit
        else:
            found, is_more = pages.upto(
                limit, lambda size, cursor: link.client.all_reports(limit=size, cursor=cursor, form=form), PAGE
            )
    output.records(
        session, found[:limit], COLUMNS, empty="No reports. They come with jobs: vedette scan host 127.0.0.1"
    )
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command(
    "create",
    epilog=examples(
        "vedette report create @last --format pdf",
        "vedette report create 3f0f6e1b --format pdf,csv --output-dir out",
        "vedette jobs list --state succeeded -o id | xargs vedette report create --format json --no-wait",
    ),
)
@command
def create(
    session: Session,
    jobs: arguments.Jobs = None,
    *,
    form: Annotated[list[str], typer.Option("--format", metavar="NAMES", help="Which to make, e.g. pdf,csv.")],
    wait: arguments.Wait = True,
    timeout: arguments.Timeout = None,
    output_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Download them into this folder.")] = None,
) -> int:
    """Have reports of jobs that are over made in further formats. What is there is not made again."""
    wanted = options.words(form, "report format")
    if not wanted or (output_dir and not wait):
        raise Misused("Say which reports to make; --output-dir needs --wait.", cure="E.g. --format pdf")
    timeout_s = options.duration(timeout) if timeout else None
    from vedette.cli import downloads, orders  # noqa: PLC0415

    if output_dir:
        downloads.check_folder(output_dir)
    ids = [recall.resolve(job) for job in jobs or [recall.LAST]]
    with session.gateway() as link:
        placed = [link.client.order_report(job_id, name) for job_id in ids for name in wanted]
        if wait:
            placed = orders.finish(session, link, placed, timeout_s)
        code = orders.show(session, placed)
        for order in placed:
            if order.report and output_dir:
                [file] = downloads.fetch(link.client, order.job_id, [order.report], output_dir)
                session.note(words.line(f"Report {file.path}"))
    if not wait:
        session.note(f"See them come: vedette report list {words.short(placed[0].job_id)}")
    return code


@app.command(
    "download",
    epilog=examples("vedette report download @last", "vedette report download 3f0f6e1b --format pdf --output-dir out"),
)
@command
def download(
    session: Session,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The end of a job's id, or @last.")] = recall.LAST,
    form: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="NAMES", help="Of those it has, e.g. pdf.", show_default="all"),
    ] = None,
    output_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the reports.", show_default="here")
    ] = Path(),
) -> int:
    """Download the reports of a job into a folder. Files that are there are never overwritten."""
    wanted = options.words(form or [], "report format")
    from vedette.cli import downloads, output, waiting  # noqa: PLC0415

    downloads.check_folder(output_dir)
    with session.gateway() as link:
        found = link.client.job(recall.resolve(job))
        views = chosen(found, link.client.reports(found.id), wanted)
        files = downloads.fetch(link.client, found.id, views, output_dir)
    if session.output == "table" and not session.fields:
        for file in files:
            print(words.line(waiting.shown(file.path)))
        return Exit.OK
    rows = [{"format": file.format, "path": str(file.path), "size_bytes": file.size_bytes} for file in files]
    output.records(session, rows, ("format", "path", "size_bytes"), empty="")
    return Exit.OK


def chosen(job: JobView, views: Sequence[ReportView], wanted: Sequence[str]) -> list[ReportView]:
    """Return the reports that are wanted, or all. Raises NotYet or NoReport."""
    from shared.contracts.job import JobState  # noqa: PLC0415

    has = [view.format for view in views]
    missing = [name for name in wanted if name not in has]
    if not missing and views:
        return [view for view in views if not wanted or view.format in wanted]
    tail = words.short(job.id)
    if not job.state.is_terminal:
        raise NotYet(f"Job {tail} is {job.state}; its reports come at the end.", cure=f"vedette jobs watch {tail}")
    what = f"{' or '.join(missing)} report" if missing else "report"
    cure = f"Have it made: vedette report create {tail} --format {missing[0] if missing else 'pdf'}"
    if has:
        cure += f"   It has: {', '.join(has)}"
    elif job.state is not JobState.SUCCEEDED:
        cure = f"See why: vedette jobs get {tail}"
    raise NoReport(f"Job {tail} has no {what}.", cure=cure)
