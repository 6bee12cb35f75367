"""`vedette targets rules`: what the organisation may scan, and what not."""

from __future__ import annotations

from typing import Annotated

import typer

from shared.errors import InvalidInput
from vedette.cli import options, recall
from vedette.cli.arguments import Reason
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.group import group
from vedette.cli.session import Session, command

app = group(
    "rules",
    "Rules about what may be scanned.",
    "vedette targets rules list",
    "vedette targets rules deny 203.0.113.0/24",
)
COLUMNS = ("id", "effect", "what", "expires_at", "created_by", "reason")
What = Annotated[
    str, typer.Argument(metavar="WHAT", help="Address, network, name, or all names below one: '*.example.org'.")
]
Network = Annotated[str, typer.Argument(metavar="NETWORK", help="Address or network, e.g. 10.20.0.0/16.")]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="The rule ends after that long (12h, 7d), or then (ISO 8601).")
]


@app.command("list", epilog=examples("vedette targets rules list", "vedette targets rules list -o json"))
@command
def list_(session: Session) -> int:
    """List the rules, also expired ones, the oldest first."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.targets.rules.all()
    empty = "No rules: what is on the public Internet may be scanned, and what the installation opens to all."
    output.records(session, found, COLUMNS, empty=empty)
    return Exit.OK


@app.command("deny", epilog=examples("vedette targets rules deny 203.0.113.0/24 --reason 'a customer of ours'"))
@command
def deny(session: Session, *, what: What, until: Until = None, reason: Reason = "") -> int:
    """Have something not scanned. This wins over every other rule."""
    return _add(session, "deny", what, until, reason)


@app.command("allow", epilog=examples("vedette targets rules allow '*.example.org' --until 30d"))
@command
def allow(session: Session, *, what: What, until: Until = None, reason: Reason = "") -> int:
    """Have nothing scanned but this, and what other such rules name. One that has expired still narrows."""
    return _add(session, "allow", what, until, reason)


@app.command("grant", epilog=examples("vedette targets rules grant 10.20.0.0/16 --until 7d --reason 'audit 2026'"))
@command
def grant(session: Session, *, network: Network, until: Until = None, reason: Reason = "") -> int:
    """Open a network that is closed by default: loopback, private, reserved. With the installation's token only."""
    return _add(session, "grant", network, until, reason)


@app.command("remove", epilog=examples("vedette targets rules remove 3f0f6e1b"))
@command
def remove(session: Session, rule: Annotated[str, typer.Argument(metavar="ID", help="Of the rule.")]) -> int:
    """Remove a rule."""
    with session.gateway() as link:
        link.client.targets.rules.remove(recall.piece(rule, "a rule"))
    session.note("removed")
    return Exit.OK


def _add(session: Session, effect: str, what: str, until: str | None, reason: str) -> int:
    from pydantic import ValidationError  # noqa: PLC0415

    from shared.contracts.scan_rule import NewScanRule  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    ends = options.until(until) if until else None
    try:
        new = NewScanRule.model_validate({"effect": effect, "what": what, "reason": reason, "expires_at": ends})
    except ValidationError as exc:
        raise Misused(f"This is no rule: {exc.errors()[0]['msg']}.", cure="vedette targets rules --help") from None
    except InvalidInput as exc:
        raise Misused(exc.message, cure=exc.cure) from None
    with session.gateway() as link:
        made = link.client.targets.rules.add(new)
    output.records(session, [made], COLUMNS, empty="")
    return Exit.OK
