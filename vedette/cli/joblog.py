"""`vedette jobs logs`: what the processes said of a job, line by line, also while it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vedette.cli import arguments, output, recall, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.session import Link, Session, command

if TYPE_CHECKING:
    from rich.text import Text

    from shared.contracts.logs import JobLog, LogLine

app = typer.Typer(rich_markup_mode=None)

Asked = dict[str, str | int | None]

COLUMNS = ("at", "level", "event", "stage")
NONE = "No lines. The job has not begun, or its log is older than what is kept (VEDETTE_TRACE_KEEP_DAYS)."
NONE_SUCH = "No such lines. All that there are: leave out --level and --stage."
WAIT_S = 10  # for the next line, and then again
MOST = 2000  # lines; shared.contracts.logs.MAX_LINES, which costs an import of pydantic
_STYLES = {"info": "", "warning": "yellow", "error": "bold red"}

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over, or Ctrl-C.")]
Level = Annotated[
    Literal["info", "warning", "error"],
    typer.Option(metavar="LEVEL", help="info, warning or error: this bad or worse."),
]
Stage = Annotated[arguments.Stage | None, typer.Option(metavar="STAGE", help="Only of this stage.")]


@app.command(
    "logs",
    epilog=examples(
        "vedette jobs logs @last",
        "vedette jobs logs 3f0f6e1b --follow",
        "vedette jobs logs 3f0f6e1b --level warning --stage scan -o jsonl",
    ),
)
@command
def logs(
    session: Session,
    job: arguments.Job = recall.LAST,
    follow: Follow = False,
    level: Level = "info",
    stage: Stage = None,
) -> int:
    """Show the job's log: what every process said of it, without secrets. Of a very long one the middle is left out."""
    job_id = recall.resolve(job)
    asked: Asked = {"level": level, "stage": stage, "limit": MOST}
    empty = NONE if level == "info" and stage is None else NONE_SUCH
    with session.gateway() as link:
        if session.output == "table" and not session.fields:
            count = _print(session, _followed(link, session, job_id, asked, is_following=follow))
            if not count:
                session.note(empty)
        elif session.output == "jsonl" or follow:
            told = replace(session, output="jsonl")
            for answer in _followed(link, session, job_id, asked, is_following=follow):
                for line in _in_order(answer):
                    output.record(told, line)
                sys.stdout.flush()
        else:
            output.records(session, _in_order(link.client.log(job_id, asked)), COLUMNS, empty=empty)
    return Exit.OK


def _followed(link: Link, session: Session, job_id: str, asked: Asked, *, is_following: bool) -> Iterator[JobLog]:
    """Yield what there is, and where `is_following` what comes, until the job is over."""
    from vedette.cli.follow import Patience  # noqa: PLC0415

    answer = link.client.log(job_id, asked)
    yield answer
    patience, after = Patience(session.note), answer.after
    while is_following and not answer.is_over:
        newer = patience.ask(partial(link.client.log, job_id, {**asked, "after": after}, WAIT_S))
        if newer is None:
            continue
        answer, after = newer, newer.after
        yield answer


def _print(session: Session, answers: Iterator[JobLog]) -> int:
    """Print the lines as they come, and return how many there were."""
    console = session.console()
    count = 0
    for answer in answers:
        for line in _in_order(answer):
            console.print(_told(line), soft_wrap=True)
            count += 1
    return count


def _in_order(answer: JobLog) -> list[LogLine]:
    """Return lines by their time: they come in the order in which busy processes sent them."""
    return sorted(answer.items, key=lambda each: each.at)


def _told(line: LogLine) -> Text:
    """Return a line as people read it: time, level, stage and attempt, what happened, and the facts."""
    from rich.text import Text  # noqa: PLC0415

    style = _STYLES[line.level]
    stage = f"{line.stage}{f'#{line.attempt}' if line.attempt > 1 else ''}" or line.service
    facts = " ".join(f"{words.line(name)}={words.line(str(value))}" for name, value in line.fields.items())
    text = Text.assemble(
        (f"{line.at.astimezone():%H:%M:%S.%f}"[:-3], "dim"),
        (f" {line.level:<7} ", style),
        (f"{words.line(stage):<9} ", "cyan"),
        (words.line(line.event), style or "bold"),
        f" {facts}" if facts else "",
    )
    for each in line.exception.splitlines():
        text.append(f"\n    {words.line(each)}", "dim")
    return text
