"""`vedette stats`: how it goes, on one screen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vedette.cli import words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from rich.text import Text

    from vedette.cli.figures.asked import Figures
    from vedette.cli.figures.window import Window

COLUMNS = (
    *("at", "states.succeeded", "states.partial", "states.failed", "states.dead", "states.cancelled"),
    *("success_rate", "average_s", "p50_s", "p95_s"),
)
NO_TERMINAL = 80  # columns
WATCH_EVERY_S = 5.0

Since = Annotated[str, typer.Option(metavar="TIME", help="The jobs that ended in it: hours or days, like 12h or 7d.")]
By = Annotated[
    Literal["minute", "hour", "day"] | None,
    typer.Option(metavar="INTERVAL", help="minute, hour or day (UTC); else what suits --since."),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Again every 5 seconds, until Ctrl-C.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vedette stats",
            "vedette stats --since 7d --by hour",
            "vedette stats --watch",
            "vedette stats --since 90d -o csv > jobs-by-day.csv",
            "vedette stats -o json --fields overview,stages",
        )
    )(stats)


@command
def stats(session: Session, since: Since = "24h", by: By = None, *, watch: Watch = False) -> int:
    """Say how it goes: what came of jobs, how long the stages ran and waited, what waits for somebody.

    -o json has all of it; jsonl and csv an interval a line.
    """
    from vedette.cli.figures.asked import ask  # noqa: PLC0415
    from vedette.cli.figures.window import window  # noqa: PLC0415

    if session.output == "id":
        raise Misused("Statistics have no ids.", cure="Use -o json, jsonl or csv.")
    wanted = window(since, by)
    with session.gateway() as link:
        if watch:
            from vedette.cli import moving  # noqa: PLC0415

            draw = partial(_drawn, session, wanted)
            return moving.again(session, partial(ask, link.client, wanted), draw, WATCH_EVERY_S)
        found = ask(link.client, wanted)
    _show(session, wanted, found)
    return Exit.OK


def _show(session: Session, wanted: Window, found: Figures) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if session.is_table:
        session.console().print(_drawn(session, wanted, found), soft_wrap=True)
        _advise(session, found)
    elif session.output == "json":
        output.record(session, found)
    else:
        output.records(session, found.series, COLUMNS, empty="")


def _drawn(session: Session, wanted: Window, found: Figures) -> Text:
    from rich.text import Text  # noqa: PLC0415

    from vedette.cli.figures.board import board  # noqa: PLC0415

    console = session.console()
    width = console.width if console.is_terminal else NO_TERMINAL
    lines = board(found, wanted, width, words.marks(console.file))
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _advise(session: Session, found: Figures) -> None:
    if found.dead_letters.open:
        session.note("See them: vedette dlq list --group")
    elif not found.overview.finished:
        session.note("Look further back: vedette stats --since 7d")
