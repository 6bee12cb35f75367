"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

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
LetterState = Literal["open", "replaying", "replayed", "resolved", "discarded", "snoozed", "quarantined"]
FailureClass = Literal["temporary", "external", "infrastructure", "resource", "permanent", "security"]
Stage = Literal["scan", "process", "report", "notify"]
RoleName = Literal["viewer", "operator", "admin", "owner"]
Severity = Literal["critical", "high", "medium", "low", "info"]

Job = Annotated[str, typer.Argument(metavar="JOB", help="The end of a job's id, or @last.")]
Jobs = Annotated[list[str] | None, typer.Argument(metavar="JOB", help="The ends of jobs' ids, or @last.")]
Letter = Annotated[str, typer.Argument(metavar="ID", help="The end of a dead letter's id.")]
Letters = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The ends of dead letters' ids.")]
Alert = Annotated[str, typer.Argument(metavar="ID", help="The end of an alert's id.")]
Operation = Annotated[str, typer.Argument(metavar="ID", help="The end of an operation's id.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Of the user.")]
Role = Annotated[RoleName, typer.Option("--role", metavar="ROLE", help="viewer, operator, admin or owner.")]

Timeout = Annotated[str | None, typer.Option(metavar="TIME", help="Wait no longer, e.g. 90s or 10m; exit 7.")]
FailOn = Annotated[
    Severity | None, typer.Option(metavar="SEVERITY", help="Exit 3 when there is a finding of this severity or above.")
]
Batch = Annotated[str | None, typer.Option(metavar="ID", help="All jobs of this batch instead; the end of its id.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]
JobQuery = Annotated[
    str | None, typer.Option("--query", "-q", metavar="QUERY", help="E.g. 'state:failed kind:host -tag:nightly'.")
]
LetterQuery = Annotated[
    str | None, typer.Option("--query", "-q", metavar="QUERY", help="E.g. 'class:external stage:scan'.")
]
Group = Annotated[str | None, typer.Option("--group-id", metavar="FP", help="Those of this group (its fingerprint).")]
Expect = Annotated[int | None, typer.Option(metavar="N", min=0, help="How many they are; another number is refused.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end, with progress.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who wonder.")]


def _lanes() -> list[str]:
    from shared.contracts.lanes import ALL_LANES  # noqa: PLC0415

    return list(ALL_LANES)


Queue = Annotated[
    str, typer.Argument(metavar="QUEUE", help="E.g. scan.heavy; `vedette queues list`.", autocompletion=_lanes)
]
