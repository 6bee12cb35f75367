"""Holding jobs still: steps are locked in the order in which stages run, so that nobody waits in a ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, select

from shared.contracts.job import StageName, StepState
from shared.store.step import STAGES
from shared.store.tables import steps


@dataclass(frozen=True)
class Held:
    """A step that nobody else can change before the end of the transaction. is_ordered: it came after the job's end."""

    job_id: str
    stage: StageName
    part: str
    state: StepState
    is_ordered: bool = False


def hold(connection: Connection, ids: Sequence[str], *which: ColumnElement[bool]) -> list[Held]:
    """Lock all steps of these jobs, or those of `which` this holds, and return them.

    Whoever has a step already may hold none of an earlier stage any more. On SQLite a transaction that writes is alone
    anyway.
    """
    rows = connection.execute(_HOLD.where(steps.c.job_id.in_(ids), *which))
    return [
        Held(row.job_id, StageName(row.stage), row.part, StepState(row.state), row.ordered_at is not None)
        for row in rows
    ]


_ORDER = case({stage.value: place for place, stage in enumerate(STAGES)}, value=steps.c.stage)
_HOLD = (
    select(steps.c.job_id, steps.c.stage, steps.c.part, steps.c.state, steps.c.ordered_at)
    .order_by(steps.c.job_id, _ORDER, steps.c.part)
    .with_for_update()
)
