"""`vedette alerts`: what is wrong with the installation, since when, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli import arguments, recall
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.session import Session, command

app = group(
    "alerts",
    "See what is wrong with the installation, and say who looks after it.",
    "vedette alerts list",
    "vedette alerts ack 3f0f6e1b --reason 'new disk is on its way'",
)
PAGE = 200
COLUMNS = ("id", "severity", "rule", "subject", "state", "opened_at", "acknowledged_by", "summary")

All = Annotated[bool, typer.Option("--all", help="Also those that are over.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why nobody need be reminded.")]


@app.command("list", epilog=examples("vedette alerts list", "vedette alerts list --all -o jsonl"))
@command
def list_(session: Session, limit: arguments.Limit = 20, *, all_: All = False) -> int:
    """List the alerts that are open, newest first."""
    from shared.contracts.alert import AlertState  # noqa: PLC0415
    from vedette.cli import output, pages  # noqa: PLC0415

    state = None if all_ else AlertState.FIRING
    with session.gateway() as link:
        found, is_more = pages.upto(
            limit, lambda size, cursor: link.client.alerts.page(state=state, limit=size, cursor=cursor), PAGE
        )
    output.records(session, found, COLUMNS, empty="No alerts." if all_ else "Nothing is wrong. Earlier ones: --all")
    if session.is_table:
        for alert in found:
            if alert.state is AlertState.FIRING:
                session.note(f"{alert.subject}: {alert.cure}")
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command("ack", epilog=examples("vedette alerts ack 3f0f6e1b", "vedette alerts ack 3f0f6e1b --reason 'on it'"))
@command
def acknowledge(session: Session, alert: arguments.Alert, *, reason: Reason = "") -> int:
    """Say that you look after an alert: nobody is reminded of it any more. It is over when its cause is."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        output.record(session, link.client.alerts.acknowledge(recall.piece(alert, "an alert"), reason))
    return Exit.OK
