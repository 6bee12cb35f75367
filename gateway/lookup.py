"""From what people write to a job: a full id, or a piece of it that only one job has."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path

from gateway.auth import Caller
from shared.errors import Conflict
from shared.store import jobs
from shared.store.engine import Connection

_PIECE = re.compile(r"[0-9a-f-]{4,36}")

Piece = Annotated[
    str, Path(alias="id", description="A job's id, or at least 4 characters of its beginning or end that are unique.")
]


class JobAmbiguous(Conflict):
    """Several jobs have this piece in their id. `extension` lists them."""

    def __init__(self, message: str, *, cure: str = "", candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message, cure=cure)
        self.extension = {"candidates": list(candidates)}


def job_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the job of the caller's organisation. Raises jobs.JobNotFound or JobAmbiguous."""
    wanted = piece.lower()
    found = jobs.ids_like(connection, caller.org_id, wanted) if _PIECE.fullmatch(wanted) else []
    if len(found) == 1:
        return found[0]
    if found:
        raise JobAmbiguous(
            f"{len(found)} jobs have {wanted} at an end of their id, the newest first: {', '.join(found)}.",
            cure="Give more of the id.",
            candidates=tuple(found),
        )
    raise jobs.JobNotFound("There is no job with this id.", cure="List them: vedette jobs list")
