"""`vedette jobs explain`: what holds a job up, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vedette.cli import arguments, recall, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.waiting import Explanation

app = typer.Typer(rich_markup_mode=None)


@app.command("explain", epilog=examples("vedette jobs explain @last", "vedette jobs explain 3f0f6e1b -o json"))
@command
def explain(session: Session, job: arguments.Job = recall.LAST) -> int:
    """Say in a sentence what holds a job up, and how to put it right."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.explain(recall.resolve(job))
    if session.is_table:
        _show(session, found)
    else:
        output.record(session, found)
    return Exit.OK


def _show(session: Session, found: Explanation) -> None:
    from rich.text import Text  # noqa: PLC0415

    console = session.console()
    signs = words.marks(console.file)

    def say(text: Text) -> None:
        console.print(text, soft_wrap=True)

    say(Text(_told(found.summary, signs)))
    running = "" if found.running in found.summary else found.running
    for fact in filter(None, (running, *found.facts)):
        say(Text(f"  {_told(fact, signs)}", "dim"))
    if found.fix:
        say(Text.assemble(("fix: ", "bold green"), _told(found.fix, signs)))


def _told(text: str, signs: words.Marks) -> str:
    return words.fitting(words.line(text), signs)
