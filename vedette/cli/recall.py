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
    text = piece.strip()
    if text != LAST:
        if not text or len(text) > 64 or not all(c.isalnum() or c == "-" for c in text):
            raise Misused(f"{piece[:64]!r} is not a job id.", cure="Give the last letters of an id, or @last.")
        return text.lower()
    from vedette.stack import home  # noqa: PLC0415

    try:
        return str(json.loads(_file(home()).read_text(encoding="utf-8"))["job_id"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Misused("Nothing was submitted from here yet.", cure="vedette jobs list shows all jobs.") from None


def _file(home: Path) -> Path:
    return home / "last.json"
