"""`vedette operations`: work on many things at once, which can be watched, paused, resumed and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.cli import arguments, recall
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from typing import Literal

app = group(
    "operations",
    "Watch, pause and stop work on many things at once.",
    "vedette operations list",
    "vedette operations stop 3f0f6e1b",
)
PAGE = 200


@app.command("list", epilog=examples("vedette operations list", "vedette operations list -o jsonl"))
@command
def list_(session: Session, limit: arguments.Limit = 20) -> int:
    """List operations, newest first."""
    from vedette.cli import bulk, output, pages  # noqa: PLC0415

    with session.gateway() as link:
        found, is_more = pages.upto(
            limit, lambda size, cursor: link.client.operations.page(limit=size, cursor=cursor), PAGE
        )
    output.records(session, found, bulk.COLUMNS, empty="No operations. A bulk replay is one: vedette dlq replay --all")
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command("get", epilog=examples("vedette operations get 3f0f6e1b", "vedette operations get 3f0f6e1b --wait"))
@command
def get(session: Session, operation: arguments.Operation, *, wait: arguments.Wait = False) -> int:
    """Show one operation: how far it is, or how it ended."""
    from vedette.cli import bulk  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.operations.get(recall.piece(operation, "an operation"))
        if wait:
            return bulk.finish(session, link, found, is_waiting=True)
        bulk.show(session, found)
    return Exit.OK


@app.command("pause", epilog=examples("vedette operations pause 3f0f6e1b"))
@command
def pause(session: Session, operation: arguments.Operation) -> int:
    """Have an operation wait after the batch it is at."""
    return _act(session, operation, "pause")


@app.command("resume", epilog=examples("vedette operations resume 3f0f6e1b"))
@command
def resume(session: Session, operation: arguments.Operation) -> int:
    """Have a paused operation go on."""
    return _act(session, operation, "resume")


@app.command("stop", epilog=examples("vedette operations stop 3f0f6e1b"))
@command
def stop(session: Session, operation: arguments.Operation) -> int:
    """End an operation after the batch it is at. What it did stays done."""
    return _act(session, operation, "stop")


def _act(session: Session, operation: str, verb: Literal["pause", "resume", "stop"]) -> int:
    from vedette.cli import bulk  # noqa: PLC0415

    with session.gateway() as link:
        identifier = recall.piece(operation, "an operation")
        match verb:
            case "pause":
                found = link.client.operations.pause(identifier)
            case "resume":
                found = link.client.operations.resume(identifier)
            case "stop":
                found = link.client.operations.stop(identifier)
    bulk.show(session, found)
    return Exit.OK
