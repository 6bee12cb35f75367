"""`vedette dlq`: dead letters, the messages that are not tried again by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import arguments, discard, options, recall, replay, rules
from vedette.cli.arguments import FailureClass, LetterState, Stage
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.triage import DeadLetterFilter

app = group(
    "dlq",
    "Dead letters: what failed for good, why, and what to do with it.",
    "vedette dlq list --group",
    "vedette dlq get 3f0f6e1b",
    "vedette dlq replay --all --dry-run",
)
app.add_typer(replay.app)
app.add_typer(discard.app)
app.add_typer(rules.app, name="rules")

PAGE = 200  # dead letters per request
COLUMNS = ("id", "state", "failure_class", "stage", "target", "error.message", "count", "last_failed_at")
GROUP_COLUMNS = ("fingerprint", "failure_class", "stage", "open", "count", "code", "message", "last_failed_at")
WithState = Annotated[LetterState | None, typer.Option("--state", metavar="STATE", help="Only those in this state.")]
WithClass = Annotated[FailureClass | None, typer.Option("--class", metavar="CLASS", help="Only those of this class.")]
AtStage = Annotated[Stage | None, typer.Option("--stage", metavar="STAGE", help="Only those of this stage.")]
NONE = "No dead letters."


@app.command(
    "list",
    epilog=examples(
        "vedette dlq list --group",
        "vedette dlq list --class external --stage scan",
        "vedette dlq list -q 'state:open code:host-unreachable' -o id",
    ),
)
@command
def list_(
    session: Session,
    *,
    group: Annotated[bool, typer.Option("--group", "-g", help="One line for each error, with how many.")] = False,
    query: arguments.LetterQuery = None,
    state: WithState = None,
    failure_class: WithClass = None,
    stage: AtStage = None,
    group_id: arguments.Group = None,
    limit: arguments.Limit = 20,
) -> int:
    """List dead letters, the last failed first; or their groups, the largest first."""
    which = _filter(query, state, failure_class, stage, group_id)
    if group:
        return _groups(session, which, limit)
    from vedette.cli import letters, output, pages  # noqa: PLC0415

    with session.gateway() as link:
        found, is_more = pages.upto(
            limit, lambda size, cursor: link.client.dlq.page(which, limit=size, cursor=cursor), PAGE
        )
    if session.is_table and found:
        letters.show(session, found)
    else:
        output.records(session, found, COLUMNS, empty=NONE)
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command(
    "get",
    epilog=examples("vedette dlq get 3f0f6e1b", "vedette dlq get 3f0f6e1b --payload", "vedette dlq get 3f0f -o json"),
)
@command
def get(
    session: Session,
    letter: arguments.Letter,
    *,
    payload: Annotated[bool, typer.Option("--payload", help="The message as it was sent.")] = False,
) -> int:
    """Show one dead letter: what failed, why it has its class, and what can be done."""
    from vedette.cli import letters, output  # noqa: PLC0415

    identifier = recall.piece(letter, "a dead letter")
    with session.gateway() as link:
        if payload:
            sent = link.client.dlq.payload(identifier)
            letters.show_payload(session, sent) if session.is_table else output.record(session, sent)
            return Exit.OK
        found = link.client.dlq.get(identifier)
    if session.is_table:
        letters.sheet(session, found)
    else:
        output.record(session, found)
    return Exit.OK


@app.command(
    "classify",
    epilog=examples("vedette dlq classify 3f0f6e1b external", "vedette dlq classify 3f0f6e1b permanent --learn"),
)
@command
def classify(
    session: Session,
    letter: arguments.Letter,
    failure_class: Annotated[
        FailureClass, typer.Argument(metavar="CLASS", help="temporary, external, infrastructure, resource, ...")
    ],
    *,
    learn: Annotated[
        bool, typer.Option("--learn", help="And all that fail like it from now on; makes a rule.")
    ] = False,
) -> int:
    """Give a dead letter another class."""
    from shared.errors import FailureClass as Class  # noqa: PLC0415
    from vedette.cli import letters  # noqa: PLC0415

    identifier = recall.piece(letter, "a dead letter")
    with session.gateway() as link:
        found = link.client.dlq.classify(identifier, Class(failure_class), learn=learn)
    letters.changed(session, found, f"is {found.failure_class} now{'; so are those to come like it' * learn}")
    return Exit.OK


@app.command("snooze", epilog=examples("vedette dlq snooze 3f0f6e1b --for 2h", "vedette dlq snooze 3f0f6e1b --for 30m"))
@command
def snooze(
    session: Session,
    letter: arguments.Letter,
    *,
    time: Annotated[str, typer.Option("--for", metavar="TIME", help="For so long, e.g. 30m or 24h.")] = "24h",
) -> int:
    """Put a dead letter aside for a while."""
    from datetime import timedelta  # noqa: PLC0415

    from shared.ids import now  # noqa: PLC0415
    from vedette.cli import letters  # noqa: PLC0415

    until = now() + timedelta(seconds=options.duration(time))
    with session.gateway() as link:
        found = link.client.dlq.snooze(recall.piece(letter, "a dead letter"), until)
    letters.changed(session, found, f"is put aside until {until:%Y-%m-%d %H:%M} UTC")
    return Exit.OK


@app.command(
    "export", epilog=examples("vedette dlq export > dead-letters.jsonl", "vedette dlq export -q class:external -o csv")
)
@command
def export(
    session: Session,
    *,
    query: arguments.LetterQuery = None,
    state: WithState = None,
    failure_class: WithClass = None,
    stage: AtStage = None,
    group_id: arguments.Group = None,
) -> int:
    """Write dead letters to stdout, one JSON object a line, as they are read; other formats are written at the end."""
    from vedette.cli import output  # noqa: PLC0415

    which = _filter(query, state, failure_class, stage, group_id)
    if session.output == "table":
        session.output = "jsonl"
    with session.gateway() as link:
        if session.output == "jsonl":
            for found in link.client.dlq.export(which):
                output.records(session, [found], COLUMNS, empty="")
        else:
            output.records(session, list(link.client.dlq.export(which)), COLUMNS, empty=NONE)
    return Exit.OK


def _groups(session: Session, which: DeadLetterFilter, limit: int) -> int:
    from vedette.cli import letters, output, pages  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.dlq.groups(which)
    shown = found[:limit]
    if session.is_table and shown:
        letters.show_groups(session, shown)
    else:
        output.records(session, shown, GROUP_COLUMNS, empty=NONE)
    pages.note_more(session, limit, is_more=len(found) > limit)
    return Exit.OK


def _filter(
    query: str | None, state: str | None, failure_class: str | None, stage: str | None, group: str | None
) -> DeadLetterFilter:
    from shared.contracts.triage import DeadLetterFilter  # noqa: PLC0415

    asked = {"q": query, "state": state, "failure_class": failure_class, "stage": stage, "group": group}
    return DeadLetterFilter.model_validate(asked)
