"""`vedette findings`: what was found in the newest scans of all targets, and what was decided about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vedette.cli import arguments, confirm, options, recall, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.weakness import BulkTriage

app = group(
    "findings",
    "What was found, and what is decided about it.",
    "vedette findings list",
    "vedette findings export > findings.jsonl",
)
PAGE = 200  # findings per request; the gateway gives no more
COLUMNS = ("id", "severity", "title", "target", "subject", "status", "first_seen_at")
SHEET = (
    *("severity", "title", "target", "subject", "status", "triage.note", "change", "points", "what", "why", "fix"),
    *("first_seen_at", "rule", "id", "job_id", "fingerprint"),
)
Query = Annotated[
    str | None, typer.Option("--query", "-q", metavar="QUERY", help="E.g. 'severity:critical,high status:open'.")
]
Everything = Annotated[bool, typer.Option("--all", help="Also those of earlier scans, and those that are fixed.")]
Status = Literal["open", "acknowledged", "false_positive", "accepted_risk"]
Format = Literal["jsonl", "csv", "sarif"]


@app.command(
    "list", epilog=examples("vedette findings list -q 'severity:critical,high status:open'", "vedette findings list")
)
@command
def list_(session: Session, *, query: Query = None, everything: Everything = False, limit: arguments.Limit = 50) -> int:
    """List findings of the newest scan of each target, newest first."""
    from vedette.cli import output, pages  # noqa: PLC0415

    with session.gateway() as link:
        ask = link.client.weaknesses.page
        found, is_more = pages.upto(
            limit, lambda size, cursor: ask(query, everything=everything, limit=size, cursor=cursor), PAGE
        )
    output.records(session, found, COLUMNS, empty="No finding matches." if query else "No findings.")
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command("get", epilog=examples("vedette findings get 3f0f6e1b", "vedette findings get 3f0f6e1b -o json"))
@command
def get(
    session: Session, finding: Annotated[str, typer.Argument(metavar="ID", help="The end of a finding's id.")]
) -> int:
    """Show one finding: what it is, why it matters, how to fix it, what was decided."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.weaknesses.get(recall.piece(finding, "a finding"))
    if not session.is_table or session.fields:
        output.record(session, found)
        return Exit.OK
    note = found.triage.note if found.triage else ""
    facts = {name: getattr(found, name) for name in ("severity", "title", "target", "subject", "status")}
    facts |= {"note": note, "what": found.what, "why": found.why, "fix": found.fix, "job": found.job_id, "id": found.id}
    for name, value in facts.items():
        if value:
            print(f"{name:<9} {words.line(str(value))}")
    return Exit.OK


@app.command(
    "triage",
    epilog=examples(
        "vedette findings triage 3f0f6e1b --status accepted_risk --note 'behind a VPN' --until 30d",
        "vedette findings triage -q rule:host.telnet --status acknowledged --dry-run",
        "vedette findings triage -q rule:host.telnet --status acknowledged --expect 4",
    ),
)
@command
def triage(
    session: Session,
    finding: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The ends of findings' ids.")] = None,
    *,
    status: Annotated[Status, typer.Option("--status", metavar="STATUS", help=f"Of {', '.join(Status.__args__)}.")],
    query: Query = None,
    everything: Everything = False,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Open again then, e.g. 30d or 2027-01-01.")] = None,
    expect: arguments.Expect = None,
    dry_run: arguments.DryRun = False,
) -> int:
    """Decide about findings. It holds for the same findings of the same targets in every scan to come."""
    if bool(finding) == (query is not None):
        raise Misused("Give ids, or a query: one of them.", cure="See what there is: vedette findings list")
    if query is not None and not query.strip():
        raise Misused("The query is empty: it would mean every finding.", cure="Say -q status:open, if you mean that.")
    from shared.contracts.weakness import BulkTriage, FindingStatus  # noqa: PLC0415

    asked = BulkTriage(
        ids=list(dict.fromkeys(recall.piece(each, "a finding") for each in finding or [])),
        q=query,
        all=everything,
        expect=expect,
        dry_run=dry_run,
        status=FindingStatus(status),
        note=note,
        until=options.until(until) if until else None,
    )
    return _decide(session, asked)


@app.command(
    "export",
    epilog=examples(
        "vedette findings export > findings.jsonl", "vedette findings export --format sarif -q status:open"
    ),
)
@command
def export(
    session: Session,
    *,
    form: Annotated[
        Format | None, typer.Option("--format", metavar="FORMAT", help="Of jsonl, csv, sarif.", show_default="jsonl")
    ] = None,
    query: Query = None,
    everything: Everything = False,
) -> int:
    """Write findings to stdout: one JSON object a line as they are read, or CSV, or SARIF 2.1.0."""
    from vedette.cli import output  # noqa: PLC0415

    if form in {"jsonl", "csv"} or session.output == "table":
        session.output = "csv" if form == "csv" else "jsonl"
    with session.gateway() as link:
        if form == "sarif":
            for piece in link.client.weaknesses.sarif(query, everything=everything):
                sys.stdout.write(output.escaped(piece))
            return Exit.OK
        found = link.client.weaknesses.export(query, everything=everything)
        if session.output == "jsonl":
            for each in found:
                output.records(session, [each], SHEET, empty="")
        else:
            output.records(session, list(found), SHEET, empty="No findings.")
    return Exit.OK


def _decide(session: Session, asked: BulkTriage) -> int:
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        if asked.q is not None and not asked.dry_run:
            found = link.client.weaknesses.triage(asked.model_copy(update={"dry_run": True, "expect": None}))
            if not found.total and not asked.expect:
                session.note("No finding matches; nothing was decided.")
                return Exit.OK
            count = confirm.count(found.total, asked.expect, "findings", "decided about")
            asked = asked.model_copy(update={"expect": count})
        done = link.client.weaknesses.triage(asked)
    if not session.is_table:
        output.record(session, done)
    elif done.dry_run:
        print(f"Dry run: {words.plural(done.total, 'findings')} would be {asked.status}.")
    else:
        print(f"{words.plural(done.total, 'findings')}: {asked.status}")
    return Exit.OK
