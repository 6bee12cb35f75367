"""`vedette jobs cancel`, `retry`, `rerun`, `resume`: step in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import VedetteError
from vedette.cli import arguments, confirm, failure, recall, words
from vedette.cli.arguments import Stage
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.session import Link, Session, command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.contracts.job import JobView
    from shared.contracts.operation import BulkCancel

app = typer.Typer(rich_markup_mode=None)
COLUMNS = ("id", "kind", "target", "state", "run")
Yes = Annotated[bool, typer.Option("--yes", "-y", help="However many they are.")]


@app.command(
    "cancel",
    epilog=examples(
        "vedette jobs cancel @last",
        "vedette jobs cancel 3f0f6e1b 77aa01c2",
        "vedette jobs cancel -q 'state:queued tag:nightly'",
        "vedette jobs cancel --batch 01928e1c-5a2b-7c3d-8e4f-3f0f6e1b77aa --expect 16",
    ),
)
@command
def cancel(
    session: Session,
    job: arguments.Jobs = None,
    *,
    query: arguments.JobQuery = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="All jobs of this batch; the end of its id.")] = None,
    expect: arguments.Expect = None,
    yes: Yes = False,
    dry_run: arguments.DryRun = False,
    wait: arguments.Wait = True,
) -> int:
    """Cancel jobs: those that wait at once, those that run as soon as their stage has stopped.

    Jobs that are named are cancelled without asking; those of a query or batch are counted first.
    """
    if sum((bool(job), query is not None, batch is not None)) != 1:
        raise Misused(
            "Give jobs, or a query, or a batch: one of them.",
            cure="vedette jobs cancel @last, or: vedette jobs cancel --help",
        )
    if query is not None and not query.strip():
        raise Misused("The query is empty: it would mean every job.", cure="For every job that waits: -q state:queued")
    if job and not dry_run:
        return _each(session, job, lambda link, identifier: link.client.cancel(identifier))
    from shared.contracts.operation import BulkCancel  # noqa: PLC0415

    ids = [recall.resolve(each) for each in job or []]
    batch_id = recall.piece(batch, "a batch") if batch else None
    asked = BulkCancel(ids=ids, q=query, batch_id=batch_id, expect=expect, dry_run=dry_run)
    return _many(session, asked, is_sure=yes, is_waiting=wait)


@app.command("retry", epilog=examples("vedette jobs retry @last", "vedette jobs retry 3f0f6e1b --wait"))
@command
def retry(session: Session, job: arguments.Jobs = None, *, wait: arguments.Wait = False) -> int:
    """Go on with jobs that failed, from the first stage that did not succeed."""
    jobs = job or [recall.LAST]
    return _each(session, jobs, lambda link, identifier: link.client.retry(identifier), is_waiting=wait)


@app.command("rerun", epilog=examples("vedette jobs rerun @last --wait"))
@command
def rerun(session: Session, job: arguments.Job = recall.LAST, *, wait: arguments.Wait = False) -> int:
    """Submit the request of a job again, as a new job, which becomes @last."""

    def submit(link: Link, identifier: str) -> JobView:
        made = link.client.rerun(identifier)
        recall.remember(made.id)
        return made

    return _each(session, [job], submit, is_waiting=wait)


@app.command("resume", epilog=examples("vedette jobs resume @last --from report --wait"))
@command
def resume(
    session: Session,
    job: arguments.Job = recall.LAST,
    *,
    stage: Annotated[
        Stage | None,
        typer.Option("--from", metavar="STAGE", help="Of scan, process, report, notify.", show_default="as retry"),
    ] = None,
    wait: arguments.Wait = False,
) -> int:
    """Do a job that is over again from a stage on; what came before is kept."""
    from shared.contracts.job import StageName  # noqa: PLC0415

    def revive(link: Link, identifier: str) -> JobView:
        return link.client.resume(identifier, StageName(stage)) if stage else link.client.retry(identifier)

    return _each(session, [job], revive, is_waiting=wait)


def _each(
    session: Session, jobs: Sequence[str], act: Callable[[Link, str], JobView], *, is_waiting: bool = False
) -> int:
    """Act on jobs that were named, one by one; one that cannot be is told, and the others go on."""
    from vedette.cli import output, waiting  # noqa: PLC0415

    identifiers = [recall.resolve(job) for job in jobs]
    done: list[JobView] = []
    code = Exit.OK
    with session.gateway() as link:
        for identifier in identifiers:
            try:
                done.append(act(link, identifier))
            except VedetteError as exc:
                if len(identifiers) == 1:
                    raise
                failure.show(exc, no_color=session.no_color)
                code = failure.code(exc)
        if is_waiting and len(done) == 1 and len(identifiers) == 1:
            return waiting.wait(session, link, done, waiting.Wish())
    output.records(session, done, COLUMNS, empty="")
    moving = [job for job in done if not job.state.is_terminal]
    if moving and session.output == "table":
        session.note(f"Watch   vedette jobs watch {words.short(moving[0].id)}")
    return Exit.PARTIAL if code and done else code


def _many(session: Session, asked: BulkCancel, *, is_sure: bool, is_waiting: bool) -> int:
    from shared.contracts.dead_letter import Forecast  # noqa: PLC0415
    from vedette.cli import bulk  # noqa: PLC0415

    with session.gateway() as link:
        if not (asked.dry_run or is_sure):
            found = link.client.cancel_many(asked.model_copy(update={"dry_run": True, "expect": None}))
            total = found.ok if isinstance(found, Forecast) else found.total
            if not total and not asked.expect:
                session.note("No job that is not over matches; nothing was cancelled.")
                return Exit.OK
            count = confirm.count(total, asked.expect, "jobs", "cancelled")
            asked = asked.model_copy(update={"expect": count})
        return bulk.finish(session, link, link.client.cancel_many(asked), is_waiting=is_waiting)
