"""`vedette targets`: what may be scanned, before anything is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import options, scan_rules, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.scan_rule import TargetVerdict

app = group("targets", "What may be scanned.", "vedette targets check 192.0.2.1", "vedette targets rules list")
app.add_typer(scan_rules.app, name="rules")
COLUMNS = ("target", "allowed", "rule", "detail")


@app.command(
    "check",
    epilog=examples(
        "vedette targets check db.example.org 10.0.0.0/28",
        "vedette targets check --file targets.txt -o json",
    ),
)
@command
def check(
    session: Session,
    *,
    target: Annotated[
        list[str] | None, typer.Argument(help="Address, name, network (its usable hosts) or range.")
    ] = None,
    ports: Annotated[str | None, typer.Option(metavar="EXPR", help="Ports, e.g. 22,80,1-1000 or - for all.")] = None,
    file: Annotated[str | None, typer.Option(metavar="FILE", help="Targets, one a line; - is stdin.")] = None,
) -> int:
    """Say of each target whether it may be scanned, by which rule not, and what to do. Nothing is scanned.

    Exits as a submission of them would: 2 when policy refuses one, or when one is no target or has no address.
    """
    from vedette.cli import output  # noqa: PLC0415

    asked = options.hosts(target or [], file, ports, None)
    with session.gateway() as link:
        found = link.client.targets.check(asked)
    if session.is_table:
        show(found)
    else:
        output.records(session, found, COLUMNS, empty="")
    return outcome(found)


def show(found: Sequence[TargetVerdict]) -> None:
    """Print verdicts for people, each refusal with its cure."""
    refused = [each for each in found if not each.allowed]
    for each in refused:
        print(f"refused  {words.line(each.target)}: {words.line(each.detail)}")
        if each.cure:
            print(f"         {words.line(each.cure)}")
    for each in found:
        for address in each.addresses if each.allowed else ():
            if address.not_scanned:
                left_out = ", ".join(map(str, address.not_scanned))
                print(f"without  {words.line(address.address)}: ports {left_out} are of this installation itself")
    print(f"{words.plural(len(found) - len(refused), 'targets')} may be scanned, {len(refused)} may not")


def outcome(found: Sequence[TargetVerdict]) -> Exit:
    """Return how a submission of these would end."""
    return Exit.OK if all(each.allowed for each in found) else Exit.USAGE
