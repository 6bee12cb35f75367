"""`vedette batch`: many targets under one name, submitted together or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import arguments, confirm, options, recall, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.scan import Priority, Profile
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.batch import BatchView

app = group(
    "batch", "Many targets under one name.", "vedette batch create hosts.txt --name office", "vedette batch list"
)
PAGE = 200  # batches per request; the gateway gives no more
MAX_LINES = 10_000  # shared.contracts.batch.MAX_ENTRIES, which costs an import of pydantic
COLUMNS = ("id", "name", "total", "progress", "states", "severities", "created_at", "finished_at")
Batch = Annotated[str, typer.Argument(metavar="ID", help="The end of a batch's id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command(
    "create",
    epilog=examples(
        "vedette batch create hosts.txt --name office",
        "cat hosts.txt | vedette batch create - --profile quick --report none -o id",
        "vedette batch create hosts.txt --tag team=nas --priority low --idempotency-key nightly-1",
    ),
)
@command
def create(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Targets, one a line, # begins a comment; - is stdin.")],
    *,
    name: Annotated[str, typer.Option(metavar="TEXT", help="What people call it.")] = "",
    profile: Annotated[Profile, typer.Option(help="How thorough; decides the ports.")] = "standard",
    priority: Annotated[Priority, typer.Option(help="How soon.")] = "normal",
    report: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Of pdf,html,json,csv; or none.", show_default="html,json"),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="K=V", help="Label of the jobs; repeatable.")] = None,
    idempotency_key: Annotated[
        str, typer.Option(metavar="KEY", help="The same submission with the same key is made once.", show_default=False)
    ] = "",
) -> int:
    """Submit the targets of a file: addresses, names, networks, ranges. All of their jobs are made, or none."""
    targets = options.hosts([], file, None, None, most=MAX_LINES)
    asked = options.submission(profile, priority, report or ["html,json"], [], tag or [])
    key = options.key(idempotency_key)
    with session.gateway() as link:
        made = link.client.batches.create(targets, asked, name=name, key=key)
    _show(session, made)
    if session.is_table:
        session.note(f"Watch   vedette jobs watch --batch {words.short(made.id)}")
        session.note(f"How far vedette batch get {words.short(made.id)}")
    return Exit.OK


@app.command("list", epilog=examples("vedette batch list", "vedette batch list --limit 5 -o jsonl"))
@command
def list_(session: Session, limit: arguments.Limit = 20) -> int:
    """List batches, newest first."""
    from vedette.cli import output, pages  # noqa: PLC0415

    with session.gateway() as link:
        ask = link.client.batches.page
        found, is_more = pages.upto(limit, lambda size, cursor: ask(limit=size, cursor=cursor), PAGE)
    output.records(session, found, COLUMNS, empty="No batches. Submit one: vedette batch create hosts.txt")
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command("get", epilog=examples("vedette batch get 3f0f6e1b", "vedette batch get 3f0f6e1b -o json"))
@command
def get(session: Session, batch: Batch) -> int:
    """Show one batch: how many of its jobs are in which state, and what they found."""
    with session.gateway() as link:
        found = link.client.batches.get(recall.piece(batch, "a batch"))
    _show(session, found)
    return Exit.OK


@app.command("cancel", epilog=examples("vedette batch cancel 3f0f6e1b", "vedette batch cancel 3f0f6e1b --yes"))
@command
def cancel(session: Session, batch: Batch, *, yes: Yes = False, wait: arguments.Wait = True) -> int:
    """Cancel those jobs of a batch that are not over."""
    from vedette.cli import bulk  # noqa: PLC0415

    piece = recall.piece(batch, "a batch")
    with session.gateway() as link:
        found = link.client.batches.get(piece)
        count = sum(number for state, number in found.states.items() if not state.is_terminal)
        if not count:
            session.note("All of its jobs are over; nothing was cancelled.")
            return Exit.OK
        confirm.yes(f"{words.plural(count, 'jobs')} would be cancelled.", is_given=yes)
        return bulk.finish(session, link, link.client.batches.cancel(found.id), is_waiting=wait)


def _show(session: Session, batch: BatchView) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if session.is_table:
        output.records(session, [batch], COLUMNS, empty="")
    else:
        output.record(session, batch)
