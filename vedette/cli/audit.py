"""`vedette audit`: who did what, and whether it is still what was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import options, pages, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.audit import AuditFilter, Verification
    from vedette.client import Client

app = group("audit", "Who did what.", "vedette audit list", "vedette audit verify")
COLUMNS = ("seq", "at", "actor", "action", "subject", "reason")
PAGE = 200
_HASH = re.compile("[0-9a-f]{64}")
Action = Annotated[str, typer.Option("--action", metavar="NAME", help="queue.pause, or queue for all of that noun.")]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="By them, e.g. user:ann@example.org or token.")]
Subject = Annotated[str, typer.Option("--subject", metavar="WHAT", help="Done to this, e.g. queue:scan, or job.")]
Since = Annotated[str | None, typer.Option("--since", metavar="ISO", help="From then on.")]
Until = Annotated[str | None, typer.Option("--until", metavar="ISO", help="Before then.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")]
Known = Annotated[
    str | None, typer.Option("--known", metavar="HASH", help="What verify told once: it must still be there.")
]


@app.command("list", epilog=examples("vedette audit list", "vedette audit list --action queue --since 2026-11-01"))
@command
def list_(
    session: Session,
    *,
    action: Action = "",
    actor: Actor = "",
    subject: Subject = "",
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
) -> int:
    """List who did what, newest first."""
    from vedette.cli import output  # noqa: PLC0415

    which = _filter(action, actor, subject, since, until)
    with session.gateway() as link:
        ask = link.client.audit.page
        found, is_more = pages.upto(limit, lambda size, cursor: ask(which, limit=size, cursor=cursor), PAGE)
    output.records(session, found, COLUMNS, empty="Nothing was done yet, or nothing like that.")
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command("verify", epilog=examples("vedette audit verify", "vedette audit verify -o json"))
@command
def verify(session: Session, *, known: Known = None) -> int:
    """Check that no line was changed, removed or moved. Exit 1 at the first that was.

    Keep the hash that is told somewhere else: given as --known later, it shows that nobody set the whole audit back.
    """
    from vedette.cli import output  # noqa: PLC0415

    if known is not None and not _HASH.fullmatch(known):
        raise Misused(f"{known[:70]!r} is no hash.", cure="Give the 64 digits that verify told: vedette audit verify")
    with session.gateway() as link:
        found = _verified(link.client, known)
    if not session.is_table:
        output.record(session, found)
    elif found.ok:
        count = "1 entry" if found.checked == 1 else f"{found.checked} entries"
        print(words.line(f"{count} as they were written. Newest hash {found.hash or '-'}"))
        if found.unsealed:
            session.note(f"{found.unsealed} have a seal whose key is gone; later seals hold for them.")
    else:
        session.say("error", f"Entry {found.seq} of the audit is not right ({found.flaw}). {found.detail}")
        session.say(
            "fix",
            "Somebody wrote to the database; compare with a back-up or an export, and change its passwords.",
        )
    return Exit.OK if found.ok else Exit.FAILED


@app.command("export", epilog=examples("vedette audit export > audit.jsonl", "vedette audit export -o csv > audit.csv"))
@command
def export(
    session: Session,
    *,
    action: Action = "",
    actor: Actor = "",
    subject: Subject = "",
    since: Since = None,
    until: Until = None,
) -> int:
    """Write all lines to stdout, oldest first, one JSON object a line; other formats are written at the end."""
    from shared.contracts.audit import AuditEntry  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    which = _filter(action, actor, subject, since, until)
    if session.output == "table":
        session.output = "jsonl"
    with session.gateway() as link:
        if session.output == "jsonl":
            for found in link.client.audit.export(which):
                output.records(session, [found], COLUMNS, empty="")
        else:
            output.records(session, list(link.client.audit.export(which)), tuple(AuditEntry.model_fields), empty="")
    return Exit.OK


def _verified(client: Client, known: str | None) -> Verification:
    """Ask page by page; the counts of the answer are those of all."""
    checked = unsealed = 0
    after = 0
    while True:
        found = client.audit.verify(after=after, known=known)
        checked, unsealed = checked + found.checked, unsealed + found.unsealed
        if not found.ok or not found.next:
            return found.model_copy(update={"checked": checked, "unsealed": unsealed})
        after = found.next


def _filter(action: str, actor: str, subject: str, since: str | None, until: str | None) -> AuditFilter:
    from shared.contracts.audit import AuditFilter  # noqa: PLC0415

    begin, end = (options.moment(text) if text else None for text in (since, until))
    return AuditFilter(action=action, actor=actor, subject=subject, since=begin, until=end)
