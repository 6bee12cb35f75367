"""`vedette jobs trace`: where the time of a job went, as a waterfall."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vedette.cli import recall
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.session import Link, Session, command

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.contracts.trace import Trace
    from vedette.cli.waterfall import Look

app = typer.Typer(rich_markup_mode=None)

COLUMNS = ("name", "stage", "attempt", "state", "start_s", "duration_s", "service", "process")
ASK_EVERY_S = 1.0
SETTLED = 2  # how often a trace that is over is asked for: the last spans come up to a second after the end
FOLLOW = "Draw it anew until the job is over; where there is no terminal, once, then."
_TRACE_ID = re.compile("[0-9a-f]{32}")

Job = Annotated[str, typer.Argument(metavar="JOB", help="The end of a job's id, @last, or the id of a trace.")]
Format = Annotated[
    Literal["tree", "json", "otlp"],
    typer.Option("--format", metavar="FORMAT", help="tree; json as -o json; otlp for a collector."),
]


@app.command(
    "trace",
    epilog=examples(
        "vedette jobs trace @last",
        "vedette jobs trace 3f0f6e1b --follow",
        "vedette jobs trace 3f0f6e1b --expand --no-compress --width 160",
        "vedette jobs trace 3f0f6e1b --run 1",
        "vedette jobs trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "vedette jobs trace @last --format otlp > trace.json",
        "vedette jobs trace @last -o jsonl --fields name,start_s,duration_s",
    ),
)
@command
def trace(
    session: Session,
    *,
    job: Job = recall.LAST,
    form: Format = "tree",
    expand: Annotated[bool, typer.Option("--expand", help="Each span in a row of its own.")] = False,
    compress: Annotated[
        bool, typer.Option("--compress/--no-compress", help="Draw long times without work short.")
    ] = True,
    width: Annotated[int | None, typer.Option(metavar="N", min=40, max=1000, help="So many columns.")] = None,
    run: Annotated[int | None, typer.Option(metavar="N", min=1, help="An earlier run of the job.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help=FOLLOW)] = False,
) -> int:
    """Show where a job's time went: in which queue and process, and what the end waited for."""
    from vedette.cli.waterfall import Look  # noqa: PLC0415

    if form == "json" and session.output == "table":
        session.output = "json"
    look = Look(is_whole=expand, is_even=not compress, width=width)
    with session.gateway() as link:
        question = _question(link, job, run, is_grouped=not expand)
        if form == "otlp":
            _print_otlp(question.otlp())
            return Exit.OK
        try:
            found = _followed(session, question, look) if follow else question.ask()
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
    _show(session, found, look)
    return Exit.OK


@dataclass(frozen=True)
class Question:
    """Which trace is asked for."""

    ask: Callable[[], Trace]
    otlp: Callable[[], bytes]


def _question(link: Link, given: str, run: int | None, *, is_grouped: bool) -> Question:
    traces = link.client.traces
    if not _TRACE_ID.fullmatch(given.strip().lower()):
        job = recall.resolve(given)
        return Question(
            partial(traces.of_job, job, run=run, is_grouped=is_grouped), partial(traces.otlp_of_job, job, run=run)
        )
    if run is not None:
        raise Misused("--run is of a job, and a trace id was given.", cure="Leave --run out, or give the job's id.")
    trace_id = given.strip().lower()
    return Question(partial(traces.get, trace_id, is_grouped=is_grouped), partial(traces.otlp, trace_id))


def _followed(session: Session, question: Question, look: Look) -> Trace:
    """Return the trace when its jobs are over. On a terminal it is drawn meanwhile."""
    from vedette.cli.follow import Patience  # noqa: PLC0415
    from vedette.cli.waterfall.moving import MovingWaterfall  # noqa: PLC0415

    patience = Patience(session.note)
    console = session.console()
    is_drawn = console.is_terminal and session.is_table and not session.quiet
    found, settled = None, 0
    with MovingWaterfall(console, is_quiet=not is_drawn) as moving:
        while found is None or settled < SETTLED:
            found = patience.ask(question.ask) or found
            if found is None:
                continue
            is_over = not found.is_live and all(job.state.is_terminal for job in found.jobs)
            settled = settled + 1 if is_over else 0
            moving.update(look.of(found, console))
            if settled < SETTLED:
                time.sleep(ASK_EVERY_S)
    return found


def _show(session: Session, found: Trace, look: Look) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if session.output in {"json", "id"} and not session.fields:
        output.record(session, {"id": found.trace_id} if session.output == "id" else found)
        return
    if not session.is_table:
        output.records(session, found.spans, COLUMNS, empty="No spans.")
        return
    console = session.console()
    waterfall = look.of(found, console)
    for line in waterfall.lines():
        console.print(line, soft_wrap=True)
    for what, how in waterfall.nexts():
        session.note(f"{what:<12}  {how}")


def _print_otlp(body: bytes) -> None:
    from vedette.cli import output  # noqa: PLC0415

    print(output.escaped(json.dumps(json.loads(body), ensure_ascii=False)))
