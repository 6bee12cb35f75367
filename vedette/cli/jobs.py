"""`vedette jobs`: look at jobs, follow them, and see what they found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shared.errors import NotFound
from vedette.cli import options, recall, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.contracts.finding import Finding
    from shared.contracts.job import JobView

app = typer.Typer(
    name="jobs", help="Look at jobs, follow them, see what they found.", no_args_is_help=True, rich_markup_mode=None
)

State = Literal[
    "scheduled",
    "queued",
    "running",
    "retrying",
    "cancelling",
    "cancelled",
    "succeeded",
    "partial",
    "failed",
    "dead",
]
Severity = Literal["critical", "high", "medium", "low", "info"]
Job = Annotated[str, typer.Argument(metavar="JOB", help="The end of a job's id, or @last.")]
Timeout = Annotated[str | None, typer.Option(metavar="TIME", help="Wait no longer, e.g. 90s or 10m; exit 7.")]
FailOn = Annotated[
    Severity | None, typer.Option(metavar="SEVERITY", help="Exit 3 when there is a finding of this severity or above.")
]
Batch = Annotated[str | None, typer.Option(metavar="ID", help="All jobs of this batch instead.")]
_BATCH = re.compile(r"[0-9a-f-]{36}")
_BATCHES = "vedette jobs list -o json --fields id,batch_id"
PAGE = 200  # jobs per request; the gateway gives no more
EARLIER = ("fixed", "standing")
COLUMNS = ("id", "kind", "target", "state", "score", "grade", "severities", "created_at", "total_s")


class NoBatch(NotFound):
    """No job is of this batch."""


@app.command("list", epilog=examples("vedette jobs list --state failed", "vedette jobs list -o jsonl --limit 500"))
@command
def list_(
    session: Session,
    state: Annotated[State | None, typer.Option(metavar="STATE", help="Only jobs in this state.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Only jobs of this batch.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 20,
) -> int:
    """List jobs, newest first."""
    from shared.contracts.job import JobState  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    found: list[JobView] = []
    cursor = None
    if batch is not None and not _BATCH.fullmatch(batch):
        raise NoBatch(f"There is no batch {batch[:64]!r}.", cure=_BATCHES)
    with session.gateway() as link:
        while True:
            size = min(limit - len(found), PAGE)
            wanted = JobState(state) if state else None
            page = link.client.jobs(limit=size, cursor=cursor, state=wanted, batch_id=batch)
            found += page.items
            cursor = page.next
            if not cursor or not page.items or len(found) >= limit:
                break
    output.records(session, found, COLUMNS, empty="No jobs. Submit one: vedette scan host 127.0.0.1")
    if cursor and session.output == "table":
        session.note(f"There are more than {limit}; see them with --limit {limit * 5}")
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
        "vedette jobs watch @last", "vedette jobs watch 3f0f6e1b --fail-on high", "vedette jobs watch --batch ID"
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
        found = link.client.batch(batch) if _BATCH.fullmatch(batch) else []
        if not found:
            raise NoBatch(f"There is no batch {batch[:64]!r}.", cure=_BATCHES)
        return waiting.wait(session, link, found, wish, batch)
