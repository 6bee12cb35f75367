"""`vedette dlq rules`: what overrules the classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import recall, words
from vedette.cli.arguments import FailureClass, Stage
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.triage import NewRule

app = group("rules", "Rules that give failures another class.", "vedette dlq rules list")
COLUMNS = ("id", "failure_class", "stage", "error_type", "code", "contains", "fingerprint", "hits")
Class = Annotated[FailureClass, typer.Option("--class", metavar="CLASS", help="The class they get.")]
AtStage = Annotated[Stage | None, typer.Option("--stage", metavar="STAGE", help="Of this stage.")]
Type = Annotated[str, typer.Option("--type", metavar="NAME", help="With this error, e.g. HostUnreachable.")]
Code = Annotated[str, typer.Option("--code", metavar="CODE", help="With this code, e.g. host-unreachable.")]
Contains = Annotated[str, typer.Option("--contains", metavar="TEXT", help="With this in the message.")]
Group = Annotated[str, typer.Option("--group-id", metavar="FP", help="Of this group (its fingerprint).")]


@app.command("list", epilog=examples("vedette dlq rules list"))
@command
def list_(session: Session) -> int:
    """List the rules, the oldest first."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.dlq.rules.all()
    output.records(session, found, COLUMNS, empty="No rules. One is learned by: vedette dlq classify ID CLASS --learn")
    return Exit.OK


@app.command(
    "add",
    epilog=examples(
        "vedette dlq rules add --class external --code receiver-refused",
        "vedette dlq rules add --class temporary --stage scan --contains 'no route'",
    ),
)
@command
def add(
    session: Session,
    *,
    failure_class: Class,
    stage: AtStage = None,
    error_type: Type = "",
    code: Code = "",
    contains: Contains = "",
    group_id: Group = "",
) -> int:
    """Make a rule. It holds for failures to come."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        made = link.client.dlq.rules.add(_rule(failure_class, stage, error_type, code, contains, group_id))
    output.records(session, [made], COLUMNS, empty="")
    return Exit.OK


@app.command("remove", epilog=examples("vedette dlq rules remove 3f0f6e1b"))
@command
def remove(session: Session, rule: Annotated[str, typer.Argument(metavar="ID", help="Of the rule.")]) -> int:
    """Remove a rule. What it has classed keeps its class."""
    with session.gateway() as link:
        link.client.dlq.rules.remove(recall.piece(rule, "a rule"))
    session.note("removed")
    return Exit.OK


@app.command("test", epilog=examples("vedette dlq rules test --class external --contains 'certificate'"))
@command
def try_(
    session: Session,
    *,
    failure_class: Class,
    stage: AtStage = None,
    error_type: Type = "",
    code: Code = "",
    contains: Contains = "",
    group_id: Group = "",
) -> int:
    """Say what a rule would match among the dead letters there are, without making it."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.dlq.rules.test(_rule(failure_class, stage, error_type, code, contains, group_id))
    if not session.is_table:
        output.record(session, found)
        return Exit.OK
    which = f" (e.g. {', '.join(words.short(each) for each in found.samples[:3])})" if found.samples else ""
    print(f"It matches {words.plural(found.matches, 'dead letters')} of those there are{which}.")
    return Exit.OK


def _rule(failure_class: str, stage: str | None, error_type: str, code: str, contains: str, group: str) -> NewRule:
    """Return the rule. Raises Misused when it would match everything."""
    if not (stage or error_type or code or contains or group):
        raise Misused(
            "A rule has to say what the failures have in common.",
            cure="Add at least one of --stage, --type, --code, --contains, --group-id",
        )
    from shared.contracts.triage import NewRule  # noqa: PLC0415

    given = {"failure_class": failure_class, "stage": stage, "error_type": error_type, "code": code}
    return NewRule.model_validate({**given, "contains": contains, "fingerprint": group})
