"""`vedette jobs`: look at jobs, follow them, and see what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import NotFound
from vedette.cli import explain, interventions, joblog, options, recall, traces, words
from vedette.cli.arguments import Batch, FailOn, Job, JobQuery, Limit, Severity, State, Timeout
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.session import Link, Session, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.contracts.finding import Finding

app = group(
    "jobs",
    "Look at jobs, follow them, see what they found, step in.",
    "vedette jobs list -q state:failed",
    "vedette jobs watch @last",
    "vedette jobs findings @last",
    "vedette jobs trace @last",
)

ID_LENGTH = 36  # characters
PAGE = 200  # jobs per request; the gateway gives no more
EARLIER = ("fixed", "standing")
COLUMNS = ("id", "kind", "target", "state", "score", "grade", "severities", "created_at", "total_s")
WITH_WAITING = ("id", "kind", "target", "state", "waiting.reason", "score", "severities", "created_at")
_NONE = "No jobs. Submit one: vedette scan host 127.0.0.1"
_NONE_MATCHES = "No job matches."


class NoBatch(NotFound):
    """No job is of this batch."""


@app.command(
    "list",
    epilog=examples(
        "vedette jobs list --state failed",
        "vedette jobs list -q 'state:queued kind:host -tag:nightly'",
        "vedette jobs list -o jsonl --limit 500",
    ),
)
@command
def list_(
    session: Session,
    query: JobQuery = None,
    state: Annotated[State | None, typer.Option(metavar="STATE", help="Only jobs in this state.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Only jobs of this batch; the end of its id.")] = None,
    limit: Limit = 20,
) -> int:
    """List jobs, newest first; of those that wait, also what for."""
    from shared.contracts.job import JobState  # noqa: PLC0415
    from vedette.cli import output, pages  # noqa: PLC0415

    wanted = JobState(state) if state else None
    with session.gateway() as link:
        batch_id = batch_of(link, batch) if batch is not None else None
        found, is_more = pages.upto(
            limit,
            lambda size, cursor: link.client.jobs(limit=size, cursor=cursor, q=query, state=wanted, batch_id=batch_id),
            PAGE,
        )
    is_any_waiting = any(job.waiting for job in found)
    columns = WITH_WAITING if is_any_waiting else COLUMNS
    output.records(session, found, columns, empty=_NONE_MATCHES if query or state else _NONE)
    if is_any_waiting and session.output == "table":
        session.note("What a job waits for, and what to do: vedette jobs explain JOB")
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command("get", epilog=examples("vedette jobs get @last", "vedette jobs get 3f0f6e1b -o json"))
@command
def get(session: Session, job: Job = recall.LAST) -> int:
    """Show one job: its stages, how long each waited and ran, and how it went."""
    from vedette.cli import output  # noqa: PLC0415
    from vedette.cli.sheet import show  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.job(recall.resolve(job))
    if session.output == "table" and not session.fields:
        show(session, found)
    else:
        output.record(session, found)
    return Exit.OK


@app.command(
    "watch",
    epilog=examples(
        "vedette jobs watch @last", "vedette jobs watch 3f0f6e1b --fail-on high", "vedette jobs watch --batch 7c1d90aa"
    ),
)
@command
def watch(
    session: Session,
    job: Job = recall.LAST,
    batch: Batch = None,
    timeout: Timeout = None,
    fail_on: FailOn = None,
) -> int:
    """Watch a job until it is over. Exit codes as for `scan --wait`."""
    return _wait(session, job, batch, timeout, fail_on)


@app.command("wait", epilog=examples("vedette jobs wait @last --timeout 10m -o json"))
@command
def wait(
    session: Session,
    job: Job = recall.LAST,
    batch: Batch = None,
    timeout: Timeout = None,
    fail_on: FailOn = None,
) -> int:
    """Wait for the end of a job without showing progress. Exit codes as for `scan --wait`."""
    session.quiet = True
    return _wait(session, job, batch, timeout, fail_on)


@app.command("findings", epilog=examples("vedette jobs findings @last --severity high", "vedette jobs findings -o csv"))
@command
def findings(
    session: Session,
    job: Job = recall.LAST,
    severity: Annotated[Severity | None, typer.Option(metavar="SEVERITY", help="Only this severity and above.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those of earlier scans that are fixed, or were not checked again.")
    ] = False,
) -> int:
    """Show what a job found, worst first."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        told = link.client.findings(recall.resolve(job))
        found = [f for f in told if everything or f.change not in EARLIER]
        at_least = len(words.SEVERITIES) if severity is None else words.SEVERITIES.index(severity)
        shown: list[Finding] = [f for f in found if f.severity.rank <= at_least]
        hidden = len(found) - len(shown)
    empty = f"No findings of severity {severity} or above; {hidden} below." if hidden else "No findings."
    output.records(session, shown, ("severity", "title", "subject", "change"), empty=empty)
    if shown and session.output == "table":
        session.note(f"What to do: vedette jobs findings {job} --fields severity,title,fix   or the report")
    if not everything and (line := _left_out(told)):
        session.note(f"{line}; see them with --all")
    return Exit.OK


def _left_out(told: Sequence[Finding]) -> str:
    """Say how many findings of earlier scans are not shown, e.g. `Not shown: 6 not checked again (worst: critical)`."""
    parts = []
    for change, meaning in zip(EARLIER, ("fixed", "not checked again"), strict=True):
        if of_it := [finding for finding in told if finding.change == change]:
            worst = min(of_it, key=lambda finding: finding.severity.rank).severity
            parts.append(f"{len(of_it)} {meaning} (worst: {worst})")
    return f"Not shown, from earlier scans: {', '.join(parts)}" if parts else ""


def _wait(session: Session, job: str, batch: str | None, timeout: str | None, fail_on: str | None) -> int:
    timeout_s = options.duration(timeout) if timeout else None
    from vedette.cli import waiting  # noqa: PLC0415

    wish = waiting.Wish(timeout_s, None, fail_on)
    with session.gateway() as link:
        if batch is None:
            return waiting.wait(session, link, [link.client.job(recall.resolve(job))], wish)
        batch_id = batch_of(link, batch)
        found = link.client.batch(batch_id)
        if not found:
            raise NoBatch(f"There is no batch {batch[:64]!r}.", cure="List them: vedette batch list")
        return waiting.wait(session, link, found, wish, batch_id)


def batch_of(link: Link, text: str) -> str:
    """Return the whole id of the batch that a piece of one means."""
    piece = recall.piece(text, "a batch")
    return piece if len(piece) == ID_LENGTH else link.client.batches.get(piece).id


app.add_typer(interventions.app)
app.add_typer(explain.app)
app.add_typer(joblog.app)
app.add_typer(traces.app)
