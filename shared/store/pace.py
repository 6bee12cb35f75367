"""How long a stage takes lately: what estimates rest on."""

from __future__ import annotations

from sqlalchemy import Connection, select

from shared.contracts.job import StageName, StepState
from shared.store.tables import steps

RECENT = 50  # steps that an average is taken of


def run_s(connection: Connection, stage: StageName) -> float | None:
    """Return the average seconds that the last steps of a stage ran for, or None when none ever ended well."""
    mine = (steps.c.stage == stage.value, steps.c.part == "", steps.c.state == StepState.SUCCEEDED.value)
    query = select(steps.c.started_at, steps.c.finished_at).where(*mine).order_by(steps.c.job_id.desc()).limit(RECENT)
    ran = [(ended - started).total_seconds() for started, ended in connection.execute(query) if started and ended]
    return sum(ran) / len(ran) if ran else None
