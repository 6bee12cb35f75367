"""Follow an operation on many things to its end: a line that moves, a hint how to stop it, and the exit code."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.text import Text

from shared.contracts.dead_letter import Forecast
from shared.contracts.operation import Operation, OperationKind, OperationState
from vedette.cli import live, output, words
from vedette.cli.failure import Exit
from vedette.cli.follow import Note, Patience
from vedette.cli.moving import Moving
from vedette.cli.session import Link, Session
from vedette.cli.words import Marks

ASK_EVERY_S = 0.3
LOG_EVERY_S = 5.0
BAR = 10  # characters; with them the line has 80
SETTLE_S = 600.0  # without any news of what was replayed; then its ends are not waited for any longer
DONE = {OperationKind.REPLAY: "replayed", OperationKind.DISCARD: "discarded", OperationKind.CANCEL: "cancelled"}
STYLES = {
    OperationState.DONE: "green",
    OperationState.FAILED: "red",
    **dict.fromkeys((OperationState.STOPPED, OperationState.PAUSED), "yellow"),
}
COLUMNS = ("id", "kind", "state", "total", "done", "skipped", "succeeded", "failed", "created_at")


def finish(session: Session, link: Link, asked: Operation | Forecast, *, is_waiting: bool) -> Exit:
    """Show the forecast, or the operation: as it is now, or as it ended. Ctrl-C leaves it running and says so."""
    if isinstance(asked, Forecast):
        return forecast(session, asked)
    if not is_waiting and not asked.state.is_over:
        return _begun(session, asked)
    seen = [asked]
    try:
        _watch(session, link, seen)
    except KeyboardInterrupt:
        _left(session, seen[0])
        return Exit.INTERRUPTED
    show(session, seen[0])
    if seen[0].failed:
        session.note("See what failed: vedette dlq list --group")
    return code(seen[0])


def show(session: Session, operation: Operation) -> None:
    """Print one operation."""
    if not session.is_table:
        output.record(session, operation)
        return
    console = session.console()
    console.print(line(operation, words.marks(console.file)), soft_wrap=True)
    for name, count in sorted(operation.refused.items()):
        console.print(Text(f"  {count} not {DONE[operation.kind]}: {words.line(name)}", "yellow"), soft_wrap=True)
    if operation.note:
        console.print(Text(f"  {words.line(operation.note)}", "dim"), soft_wrap=True)


def code(operation: Operation) -> Exit:
    """Return the exit code of an operation that is over."""
    if operation.state is not OperationState.DONE:
        return Exit.FAILED
    return Exit.PARTIAL if operation.failed or operation.skipped else Exit.OK


def forecast(session: Session, found: Forecast) -> Exit:
    """Print what would happen."""
    if not session.is_table:
        output.record(session, found)
        return Exit.OK
    print(f"Dry run: {found.ok} of {found.total} would be done.")
    for verdict in found.samples:
        if not verdict.ok:
            count = found.refused.get(verdict.code, 1)
            print(f"  {count} refused, {verdict.code}: {words.line(verdict.detail)} (e.g. {words.short(verdict.id)})")
    return Exit.OK


def line(operation: Operation, signs: Marks) -> Text:
    """`3f0f6e1b  ━━━━━━╸━━━  62 %  31 of 50 replayed · 28 succeeded · 1 failed · 2 skipped`"""
    text = Text.assemble((words.short(operation.id), "dim"), "  ")
    went = operation.done + operation.skipped
    if not _is_settled(operation):
        share = 100 * went // operation.total if operation.total else 0
        text.append_text(live.bar(went, operation.total, signs, BAR)).append(f" {share:3d} %  ", "bold")
    if operation.state is not OperationState.RUNNING:
        text.append(f"{operation.state}  ", STYLES.get(operation.state, "cyan"))
    facts = [f"{operation.done} of {operation.total} {DONE[operation.kind]}"]
    counts = {"succeeded": operation.succeeded, "failed": operation.failed, "skipped": operation.skipped}
    facts += [f"{count} {name}" for name, count in counts.items() if count]
    return text.append(f" {signs.dot} ".join(facts))


class Strip(Moving):
    """The line of an operation while it runs; where there is no terminal, a line now and then."""

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        super().__init__(console, is_quiet=is_quiet, transient=True)
        self._said_at = time.monotonic()

    def update(self, operation: Operation) -> None:
        if self._is_quiet:
            return
        shown = line(operation, self._signs)
        if not self._console.is_terminal:
            if time.monotonic() - self._said_at > LOG_EVERY_S:
                self._said_at = time.monotonic()
                self._console.print(shown, soft_wrap=True)
            return
        shown.truncate(self._console.width, overflow="ellipsis")
        hint = f"  pause or stop: vedette operations pause|stop {words.short(operation.id)}"
        self.move(Text("\n").join([shown, Text(hint, "dim")]))


def follow(link: Link, operation: Operation, note: Note) -> Iterator[Operation]:
    """Yield the operation again and again, last when it and what it replayed are over.

    Raises Unreachable when the gateway stays away.
    """
    asking = Patience(note)
    ask = partial(link.client.operations.get, operation.id)
    moved_at = time.monotonic()
    yield operation
    while not _is_settled(operation):
        time.sleep(ASK_EVERY_S)
        seen = asking.ask(ask) or operation
        if seen != operation:
            moved_at = time.monotonic()
        elif operation.state.is_over and time.monotonic() - moved_at > SETTLE_S:
            note(f"Not all have ended yet; see later: vedette operations get {words.short(operation.id)}")
            return
        operation = seen
        yield operation


def _is_settled(operation: Operation) -> bool:
    """Whether it is over, and of a replay that went through also how all that was replayed ended."""
    if operation.kind is not OperationKind.REPLAY or operation.state is not OperationState.DONE:
        return operation.state.is_over
    return operation.succeeded + operation.failed >= operation.done


def _watch(session: Session, link: Link, seen: list[Operation]) -> None:
    """Follow the one operation in `seen`, and keep there how it was last: also when Ctrl-C ends this."""
    with Strip(session.console(stderr=True), is_quiet=session.quiet) as strip:
        for operation in follow(link, seen[0], session.note):
            seen[0] = operation
            strip.update(operation)


def _left(session: Session, operation: Operation) -> None:
    tail = words.short(operation.id)
    if operation.state.is_over:
        session.note(f"Stopped watching; what was {DONE[operation.kind]} goes on. To see how it ends:")
        session.note(f"  vedette operations get {tail} --wait")
    else:
        session.note(f"Stopped watching; operation {tail} goes on. To stop it:")
        session.note(f"  vedette operations stop {tail}")


def _begun(session: Session, operation: Operation) -> Exit:
    show(session, operation)
    tail = words.short(operation.id)
    session.note(f"Watch   vedette operations get {tail} --wait")
    session.note(f"Stop    vedette operations stop {tail}")
    return Exit.OK
