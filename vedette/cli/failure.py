"""What a failure looks like, and the exit code it becomes."""

from __future__ import annotations

import os
import re
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

from shared.errors import Conflict, InvalidInput, NotFound, Security, VedetteError
from vedette.cli import words

if TYPE_CHECKING:
    from typer import TyperException

    from shared.contracts.problems import FieldError


class Exit(IntEnum):
    """The exit codes of every command; see docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    FINDINGS = 3
    AUTH = 4
    NOT_FOUND = 5
    CONFLICT = 6
    TIMED_OUT = 7
    UNREACHABLE = 8
    PARTIAL = 9
    INTERRUPTED = 130
    READER_LEFT = 141  # 128 + SIGPIPE, as for every program that is killed by it


class Misused(InvalidInput):
    """The command was written in a way that cannot work."""


def code(exc: VedetteError) -> Exit:
    """Return the exit code of an error."""
    from vedette import refusals  # noqa: PLC0415  brings the HTTP client along; only failures pay for it

    table: tuple[tuple[tuple[type[VedetteError], ...], Exit], ...] = (
        ((refusals.WaitTimedOut,), Exit.TIMED_OUT),
        ((refusals.Unreachable, refusals.GatewayFailed, refusals.TooMany), Exit.UNREACHABLE),
        ((Security,), Exit.AUTH),
        ((NotFound,), Exit.NOT_FOUND),
        ((Conflict,), Exit.CONFLICT),
        ((InvalidInput,), Exit.USAGE),
    )
    return next((exit_code for kinds, exit_code in table if isinstance(exc, kinds)), Exit.FAILED)


def reader_left() -> Exit:
    """Stop writing: whoever read us has enough (`vedette … | head`), and the flush at exit must not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.READER_LEFT


def show(exc: VedetteError, *, no_color: bool = False) -> None:
    """Print what happened and what to do about it on stderr."""
    say("error", exc.message, no_color=no_color)
    problem = getattr(exc, "problem", None)
    for field in problem.errors if problem else ():
        if field.detail not in exc.message:
            tell(f"  {_named(field)}")
    if exc.cure:
        say("fix", exc.cure, no_color=no_color)
    if problem and problem.trace_id:
        say("trace", problem.trace_id, no_color=no_color)


def _named(field: FieldError) -> str:
    """Return what is wrong with a field. Our own sentences name the thing; for other words its place does."""
    place = field.pointer.strip("/").replace("/", " ")
    return field.detail if field.detail.endswith(".") or not place else f"{place}: {field.detail}"


def show_usage(exc: TyperException, *, no_color: bool = False) -> int:
    """Print what is wrong with the arguments, and return the exit code. Help that was asked for is shown as it is."""
    if type(exc).__name__ == "NoArgsIsHelpError":
        tell(exc.message) if exc.message else None
        return Exit.USAGE
    context = getattr(exc, "ctx", None)
    message = exc.format_message().replace("Value error, ", "")
    say("error", message, no_color=no_color)
    path = context.command_path if context else "vedette"
    unknown = re.match(r"No such command '([^']+)'\.$", message)
    cure = f"{path} host {unknown[1]}" if unknown and path == "vedette scan" else f"{path} --help"
    say("fix", cure, no_color=no_color)
    return Exit.USAGE


def say(what: str, text: str, *, no_color: bool = False) -> None:
    """Print one labelled line on stderr, coloured on a terminal."""
    from rich.text import Text  # noqa: PLC0415

    from vedette.cli.screen import screen  # noqa: PLC0415

    console = screen(stderr=True, no_color=no_color)
    signs = words.marks(sys.stderr)
    line = words.wrapped(f"{what}: {words.fitting(words.harmless(text), signs)}", sys.stderr)
    shown = Text(line)
    shown.stylize({"error": "bold red", "fix": "bold green"}.get(what, "dim"), 0, len(what) + 2)
    console.print(shown, soft_wrap=True)


def tell(text: str) -> None:
    """Print plain text on stderr."""
    line = words.fitting(words.harmless(text), words.marks(sys.stderr))
    print(words.wrapped(line, sys.stderr), file=sys.stderr)
