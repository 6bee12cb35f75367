"""Passwords and tokens that people give: typed without echo, or on stdin; never in arguments, which `ps` shows."""

from __future__ import annotations

import sys

from vedette.cli import confirm
from vedette.cli.failure import Misused

MAX_SECRET = 1024  # characters


def read(what: str, option: str, *, is_piped: bool) -> str:
    """Return a secret. what: as in `Password`.  option: that which reads stdin.  Raises Misused where nobody types."""
    if is_piped:
        given = sys.stdin.readline(MAX_SECRET + 2).rstrip("\r\n")
    elif confirm.is_asked():
        from getpass import getpass  # noqa: PLC0415

        given = getpass(f"{what}: ", stream=sys.stderr)
    else:
        raise Misused(f"No {what.lower()} was given, and nobody can be asked here.", cure=f"Pipe it in with {option}")
    if not given or len(given) > MAX_SECRET:
        raise Misused(f"The {what.lower()} is empty or longer than {MAX_SECRET} characters.", cure="Give another.")
    return given
