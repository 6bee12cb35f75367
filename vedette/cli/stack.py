"""`vedette up`, `down`, `status`, `logs`, `doctor`: the local stack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from vedette.stack import Check

FOLLOW_EVERY_S = 0.2
TAIL_BYTES = 16 * 1024  # of each log, when several are shown
LOG_BYTES = 4 * 1024 * 1024


@command
def up(
    session: Session,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of the gateway.", show_default="8000")] = None,
) -> int:
    """Start the stack: Redis, gateway, control and the four workers, restarted when they end.

    Without --detach it runs until Ctrl-C.
    """
    from vedette import stack  # noqa: PLC0415

    stack.up(port, detach=detach, on_note=session.note)
    return Exit.OK


@command
def down(session: Session) -> int:
    """Stop the stack. Jobs are kept and go on at the next start."""
    from vedette import stack  # noqa: PLC0415

    session.note("stopped" if stack.down(session.note) else "no stack runs")
    return Exit.OK


@command
def status(session: Session) -> int:
    """Show the processes of the stack. Exit 8 when none runs."""
    from vedette import stack  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    children = [asdict(child) for child in stack.status()]
    columns = ("name", "pid", "state", "restarts", "uptime_s", "note")
    output.records(session, children, columns, empty="no stack runs; start one: vedette up --detach")
    return Exit.OK if children else Exit.UNREACHABLE


@command
def logs(
    session: Session,
    service: Annotated[list[str] | None, typer.Argument(help="Only these, e.g. scan gateway.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
) -> int:
    """Show the logs of the stack: the end of each, or the whole of one."""
    from vedette import stack  # noqa: PLC0415

    files = stack.logs(service or [])
    if not files:
        session.note("no logs yet; start the stack: vedette up --detach")
    places = {
        name: _print_log(name, file, LOG_BYTES if len(files) == 1 else TAIL_BYTES, files)
        for name, file in files.items()
    }
    try:
        while follow:
            time.sleep(FOLLOW_EVERY_S)
            for name, file in files.items():
                places[name] = _print_new(name, file, places[name], files)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


@command
def doctor(session: Session, as_json: Annotated[bool, typer.Option("--json", help="Same as -o json.")] = False) -> int:
    """Check this machine, the stack and the log-in; say how to put right what is wrong. Exit 1 when something is."""
    from vedette import stack  # noqa: PLC0415
    from vedette.cli import output, standing  # noqa: PLC0415

    checks = [*stack.doctor(), *standing.checks(session)]
    if as_json:
        session.output = "json"
    if session.output == "table" and not session.fields:
        _show_checks(session, checks)
    else:
        output.records(session, [asdict(check) for check in checks], ("name", "ok", "detail", "cure"), empty="")
    return Exit.FAILED if any(check.ok is False for check in checks) else Exit.OK


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command("up", epilog=examples("vedette up --detach", "vedette up --port 8001"))(up)
    app.command("down", epilog=examples("vedette down"))(down)
    app.command("status", epilog=examples("vedette status", "vedette status -o json --fields name,state,restarts"))(
        status
    )
    app.command("logs", epilog=examples("vedette logs", "vedette logs scan -f"))(logs)
    app.command("doctor", epilog=examples("vedette doctor", "vedette doctor --json"))(doctor)


def _show_checks(session: Session, checks: list[Check]) -> None:
    from rich.text import Text  # noqa: PLC0415

    console = session.console()
    signs = words.marks(console.file)
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        sign, style = {True: (signs.done, "green"), False: (signs.failed, "red"), None: ("?", "yellow")}[check.ok]
        text = Text.assemble((f"{sign:<2}", style), f" {check.name:<{width}}  {words.line(check.detail)}")
        console.print(text, soft_wrap=True)
        if check.ok is not True and check.cure:
            console.print(Text(f"   {'':<{width}}  fix: {check.cure}", "dim"), soft_wrap=True)


def _print_log(name: str, file: Path, last_bytes: int, files: Mapping[str, Path]) -> int:
    """Print the end of a log and return how far it was read."""
    try:
        size = file.stat().st_size
    except OSError:
        return 0
    return _print_new(name, file, max(size - last_bytes, 0), files, skip_first=size > last_bytes)


def _print_new(name: str, file: Path, place: int, files: Mapping[str, Path], *, skip_first: bool = False) -> int:
    """Print the whole lines after `place`; a log that became shorter begins anew. Returns the new place."""
    try:
        with file.open("rb") as stream:
            if stream.seek(0, 2) < place:
                place = 0
            stream.seek(place)
            found = stream.read(LOG_BYTES)
    except OSError:
        return place
    whole, newline, _ = found.rpartition(b"\n")
    prefix = f"{name:<8} " if len(files) > 1 else ""
    for line in whole.split(b"\n")[1 if skip_first else 0 :] if newline else ():
        print(prefix + _coloured(line.decode("utf-8", "replace")), flush=True)
    return place + len(whole) + len(newline)


def _coloured(line: str) -> str:
    """Keep nothing that could steer the terminal: logs quote what scanned machines said."""
    return words.harmless(line)
