"""Replay: what became a dead letter goes on, at the step that failed.

A letter of a job revives the job in the ledger; its message is then sent as every job's first is.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.dead_letter import Forecast, Replay, Selection, Verdict

BATCH = 200  # letters of one transaction


def forecast(org_id: str, selection: Selection, how: Replay) -> Forecast:
    """Return what a replay of a selection would do, without doing it. Raises query.QueryWrong."""
    raise NotImplementedError


def replay(org_id: str, ids: Sequence[str], how: Replay, by: str, *, operation_id: str | None = None) -> list[Verdict]:
    """Replay dead letters; the verdicts stand in the order of `ids`. Nothing is sent twice, whoever else does the same.

    A broker that is away is no failure: what was revived is sent when it is back.
    """
    raise NotImplementedError
