"""The command line `vedette`. Results go to stdout; progress, hints and errors to stderr. Exit codes: docs/cli.md."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        exit_code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        from vedette.cli import failure  # noqa: PLC0415

        exit_code = failure.reader_left()
    sys.exit(exit_code)


def _run(arguments: Sequence[str]) -> int:
    import typer  # noqa: PLC0415

    from shared.errors import VedetteError  # noqa: PLC0415
    from vedette.cli import failure  # noqa: PLC0415
    from vedette.cli.app import command_line  # noqa: PLC0415

    no_color = "--no-color" in arguments  # failures of arguments come before any option is read
    try:
        given = command_line().main(list(arguments), prog_name="vedette", standalone_mode=False)
    except typer.TyperException as exc:
        return failure.show_usage(exc, no_color=no_color)
    except (typer.Abort, KeyboardInterrupt):
        return failure.Exit.INTERRUPTED
    except VedetteError as exc:
        failure.show(exc, no_color=no_color)
        return failure.code(exc)
    return given if isinstance(given, int) else 0
