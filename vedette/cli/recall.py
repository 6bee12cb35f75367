"""What was submitted last from here, for `@last`. Kept in the state folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vedette.cli.failure import Misused

if TYPE_CHECKING:
    from pathlib import Path

LAST = "@last"


def remember(job_id: str) -> None:
    """Keep the id. A state folder that cannot be written is no reason to fail: the id was printed, too."""
    from vedette.stack import home  # noqa: PLC0415

    try:
        file = _file(home())
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"job_id": job_id}), encoding="utf-8")
        new.replace(file)
    except OSError:
        return


def resolve(piece: str) -> str:
    """Return the id that `@last` stands for, or the piece of an id as it is. Raises Misused."""
    if piece.strip() != LAST:
        if not _is_piece(piece):
            raise Misused(f"{piece[:64]!r} is not a job id.", cure="Give the last letters of an id, or @last.")
        return piece.strip().lower()
    from vedette.stack import home  # noqa: PLC0415

    try:
        return str(json.loads(_file(home()).read_text(encoding="utf-8"))["job_id"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Misused("Nothing was submitted from here yet.", cure="vedette jobs list shows all jobs.") from None


def piece(given: str, what: str) -> str:
    """Return the piece of an id as it is. what: as in `an operation`. Raises Misused."""
    if not _is_piece(given):
        raise Misused(f"{given[:64]!r} is not the id of {what}.", cure="Give the last letters of an id.")
    return given.strip().lower()


def one_of(ids: list[str], given: str, what: str) -> str:
    """Return the id that begins or ends so, or the piece when it is not exactly one: the gateway says what it is."""
    found = [each for each in ids if each.startswith(piece(given, what)) or each.endswith(piece(given, what))]
    return found[0] if len(found) == 1 else piece(given, what)


def _is_piece(given: str) -> bool:
    text = given.strip()
    return 0 < len(text) <= 64 and all(c.isascii() and (c.isalnum() or c == "-") for c in text)


def _file(home: Path) -> Path:
    return home / "last.json"
