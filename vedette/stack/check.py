"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What was looked at, and how to put it right. `ok` is None where it could not be told."""

    name: str
    ok: bool | None
    detail: str
    cure: str = ""
