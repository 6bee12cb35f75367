"""Reports that were ordered, followed until they are made: a table that moves, or a line for each that is over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.contracts.job import StepState
from shared.contracts.report import ReportOrder
from vedette.cli import live, output, words
from vedette.cli.failure import Exit
from vedette.cli.follow import Note, Patience
from vedette.cli.moving import Moving
from vedette.cli.session import Link, Session
from vedette.cli.words import Marks
from vedette.refusals import WaitTimedOut

ASK_EVERY_S = 0.3
LOG_EVERY_S = 5.0  # where there is no terminal, a sign of life
COLUMNS = ("job_id", "format", "state", "report.filename", "report.size_bytes")
OVER = frozenset({StepState.SUCCEEDED, StepState.SKIPPED, StepState.FAILED, StepState.CANCELLED})


def finish(session: Session, link: Link, orders: Sequence[ReportOrder], timeout_s: float | None) -> list[ReportOrder]:
    """Follow orders until all are over, and return how they ended. Raises WaitTimedOut."""
    seen = list(orders)
    with Board(session.console(stderr=True), is_quiet=session.quiet) as board:
        for seen in follow(link, orders, timeout_s, session.note):
            board.update(seen)
    return seen


def follow(
    link: Link, orders: Sequence[ReportOrder], timeout_s: float | None, note: Note
) -> Iterator[list[ReportOrder]]:
    """Yield the orders again and again, last when all are over. Raises WaitTimedOut; they then go on."""
    end = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    asking, seen = Patience(note), list(orders)
    yield seen
    while not all(order.state in OVER for order in seen):
        if time.monotonic() >= end:
            raise _timed_out(seen, timeout_s or 0.0)
        time.sleep(ASK_EVERY_S)
        for place, order in enumerate(seen):
            if order.state not in OVER:
                seen[place] = asking.ask(partial(link.client.report_order, order.job_id, order.format)) or order
        yield seen


def show(session: Session, orders: Sequence[ReportOrder]) -> Exit:
    """Print orders, why some failed, and return the exit code."""
    output.records(session, orders, COLUMNS, empty="")
    failed = [order for order in orders if order.state in {StepState.FAILED, StepState.CANCELLED}]
    for order in failed:
        why = order.failure.message if order.failure else f"It was {order.state}."
        session.note(f"{words.short(order.job_id)}  {order.format}: {words.line(why)}")
        if order.failure and order.failure.cure:
            session.note(f"  fix: {words.line(order.failure.cure)}")
    if not failed:
        return Exit.OK
    return Exit.FAILED if len(failed) == len(orders) else Exit.PARTIAL


class Board(Moving):
    """Shows orders until its block ends."""

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        super().__init__(console, is_quiet=is_quiet, transient=True)
        self._told: set[tuple[str, str]] = set()
        self._said_at = time.monotonic()

    def update(self, orders: Sequence[ReportOrder]) -> None:
        if self._is_quiet:
            return
        if not self._console.is_terminal:
            self._log(orders)
            return
        self.move(self._table(orders))

    def _log(self, orders: Sequence[ReportOrder]) -> None:
        for order in orders:
            if order.state in OVER and (order.job_id, order.format) not in self._told:
                self._told.add((order.job_id, order.format))
                text = f"{len(self._told)} of {len(orders)}  {words.short(order.job_id)}  {order.format}  {order.state}"
                self._say(text)
        if time.monotonic() - self._said_at > LOG_EVERY_S and (waiting := len(orders) - len(self._told)):
            self._say(f"{len(self._told)} of {len(orders)}  {words.plural(waiting, 'reports')} to come")

    def _say(self, text: str) -> None:
        self._said_at = time.monotonic()
        self._console.print(Text(text), soft_wrap=True)

    def _table(self, orders: Sequence[ReportOrder]) -> Table:
        grid = Table.grid(padding=(0, 2))
        for order in orders:
            grid.add_row(*_row(order, self._signs))
        return grid


def _row(order: ReportOrder, signs: Marks) -> tuple[Text, ...]:
    mark, style = live.mark(order.state, signs)
    doing = words.line(order.progress.note) if order.progress and order.state not in OVER else str(order.state)
    return Text(mark, style), Text(words.short(order.job_id), "dim"), Text(order.format), Text(doing, style)


def _timed_out(orders: Sequence[ReportOrder], after_s: float) -> WaitTimedOut:
    still = sum(order.state not in OVER for order in orders)
    return WaitTimedOut(
        f"{still} of {len(orders)} reports are not made after {after_s:g} s.",
        cure=f"vedette report list {orders[0].job_id[-8:]}",
    )
