"""A group of commands: without a command it shows its help, which ends with examples."""

from __future__ import annotations

import typer

from vedette.cli.examples import examples


def group(name: str, about: str, *shown: str) -> typer.Typer:
    """Return a new group. shown: commands for the end of its help."""
    return typer.Typer(name=name, help=about, no_args_is_help=True, rich_markup_mode=None, epilog=examples(*shown))
