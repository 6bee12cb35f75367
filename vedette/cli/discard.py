"""`vedette dlq discard` and `clear`: give dead letters up, counted and noted in the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vedette.cli import arguments, confirm, selection
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.triage import BulkDiscard

app = typer.Typer(rich_markup_mode=None)


@app.command(
    "discard",
    epilog=examples(
        "vedette dlq discard 3f0f6e1b --expect 1 --reason 'host is gone'",
        "vedette dlq discard -q class:permanent --dry-run",
        "vedette dlq discard --group-id 5be1f6b0c2d4 --expect 12",
    ),
)
@command
def discard(
    session: Session,
    letter: arguments.Letters = None,
    *,
    query: arguments.LetterQuery = None,
    group_id: arguments.Group = None,
    expect: arguments.Expect = None,
    reason: arguments.Reason = "",
    dry_run: arguments.DryRun = False,
    wait: arguments.Wait = True,
) -> int:
    """Give dead letters up for good. They are counted first; who did it and why is kept."""
    from shared.contracts.triage import BulkDiscard  # noqa: PLC0415

    chosen = selection.of(letter or [], query, group_id)
    asked = BulkDiscard(selection=chosen, expect=expect, reason=reason, dry_run=dry_run)
    return _discard(session, asked, is_waiting=wait)


@app.command("clear", epilog=examples("vedette dlq clear --dry-run", "vedette dlq clear --expect 42"))
@command
def clear(
    session: Session,
    *,
    expect: arguments.Expect = None,
    reason: arguments.Reason = "",
    dry_run: arguments.DryRun = False,
    wait: arguments.Wait = True,
) -> int:
    """Give up every dead letter that is open."""
    from shared.contracts.triage import BulkDiscard  # noqa: PLC0415

    chosen = selection.of([], None, None, everything=True)
    asked = BulkDiscard(selection=chosen, expect=expect, reason=reason, dry_run=dry_run)
    return _discard(session, asked, is_waiting=wait)


def _discard(session: Session, asked: BulkDiscard, *, is_waiting: bool) -> int:
    from shared.contracts.dead_letter import Forecast  # noqa: PLC0415
    from vedette.cli import bulk  # noqa: PLC0415

    with session.gateway() as link:
        if not asked.dry_run:
            found = link.client.dlq.discard(asked.model_copy(update={"dry_run": True, "expect": None}))
            total = found.ok if isinstance(found, Forecast) else found.total
            if not total and not asked.expect:
                session.note("No dead letter that could be discarded matches.")
                return Exit.OK
            count = confirm.count(total, asked.expect, "dead letters", "discarded")
            asked = asked.model_copy(update={"expect": count})
        return bulk.finish(session, link, link.client.dlq.discard(asked), is_waiting=is_waiting)
