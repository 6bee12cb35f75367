"""`vedette queues`: how deep they are; pause, resume, purge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import arguments, confirm, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from rich.text import Text

    from shared.contracts.queues import Purge, QueueList, QueueView

app = group(
    "queues",
    "See how deep the queues are; pause, resume, purge.",
    "vedette queues list",
    "vedette queues pause scan.heavy",
)
COLUMNS = ("name", "stage", "waiting", "unacknowledged", "oldest_age_s", "consumers", "busy", "slots", "paused")
WATCH_EVERY_S = 1.0


@app.command("list", epilog=examples("vedette queues list", "vedette queues list -o json"))
@command
def list_(session: Session) -> int:
    """List the queues: what waits, for how long, and who takes from them."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.queues.all()
    if not session.is_table:
        output.records(session, found.items, COLUMNS, empty="")
        return Exit.OK
    from vedette.cli import gauges  # noqa: PLC0415

    gauges.show(session, found)
    return Exit.OK


@app.command("depth", epilog=examples("vedette queues depth", "vedette queues depth --watch"))
@command
def depth(
    session: Session,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every second, until Ctrl-C.")] = False,
) -> int:
    """Show how deep the queues are, by priority."""
    from vedette.cli import output  # noqa: PLC0415

    columns = ("name", "waiting", "by_priority", "unacknowledged", "oldest_age_s")
    with session.gateway() as link:
        if watch:
            from vedette.cli import moving  # noqa: PLC0415

            return moving.again(session, link.client.queues.all, partial(_depth, session), WATCH_EVERY_S)
        found = link.client.queues.all()
    if session.is_table:
        session.console().print(_depth(session, found), soft_wrap=True)
    else:
        output.records(session, found.items, columns, empty="")
    return Exit.OK


@app.command("pause", epilog=examples("vedette queues pause scan.heavy --reason 'firewall is being replaced'"))
@command
def pause(session: Session, queue: arguments.Queue, reason: arguments.Reason = "") -> int:
    """Have nobody take messages from a queue. They can still be put; what runs goes on."""
    with session.gateway() as link:
        found = link.client.queues.pause(queue, reason)
    _acted(session, found)
    session.note(f"To go on: vedette queues resume {queue}")
    return Exit.OK


@app.command("resume", epilog=examples("vedette queues resume scan.heavy"))
@command
def resume(session: Session, queue: arguments.Queue) -> int:
    """Have workers take messages from a queue again."""
    with session.gateway() as link:
        found = link.client.queues.resume(queue)
    _acted(session, found)
    return Exit.OK


@app.command(
    "purge", epilog=examples("vedette queues purge scan.background --dry-run", "vedette queues purge scan --expect 12")
)
@command
def purge(
    session: Session, queue: arguments.Queue, *, dry_run: arguments.DryRun = False, expect: arguments.Expect = None
) -> int:
    """Cancel every job that waits in a queue. Messages of no job become dead letters: nothing is lost."""
    with session.gateway() as link:
        found = link.client.queues.purge(queue, dry_run=True)
        total = found.jobs + found.messages
        if not dry_run and (total or expect):
            count = confirm.count(total, expect, "things", f"purged from {queue}")
            found = link.client.queues.purge(queue, expect=count)
    _purged(session, found)
    return Exit.OK


def _depth(session: Session, found: QueueList) -> Text:
    from vedette.cli import gauges  # noqa: PLC0415

    return gauges.depth(found, words.marks(session.console().file))


def _acted(session: Session, queue: QueueView) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if not session.is_table:
        output.record(session, queue)
        return
    state = f"paused by {queue.paused.by}" if queue.paused else "open"
    if queue.paused and queue.paused.reason:
        state += f" ({queue.paused.reason})"
    print(words.line(f"{queue.name} is {state}; {words.plural(queue.waiting, 'messages')} waiting"))


def _purged(session: Session, found: Purge) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if not session.is_table:
        output.record(session, found)
        return
    jobs, messages = words.plural(found.jobs, "jobs"), words.plural(found.messages, "messages")
    if found.dry_run and not (found.jobs or found.messages):
        print(f"Nothing waits in {words.line(found.queue)}.")
    elif found.dry_run:
        print(f"Dry run: {jobs} would be cancelled, {messages} of no job moved to the dead letters.")
    else:
        print(f"{jobs} cancelled, {messages} of no job moved to the dead letters.")
