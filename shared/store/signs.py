"""Signs of how the whole installation fares, of all organisations, for those who watch it.

Ids begin with their time: a look at what ended lately reads what began within hours, however much there is.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, func, select

from shared.contracts.job import JobState, StageName, StepState
from shared.ids import first_id, now
from shared.store.dead_letters import WAITING
from shared.store.tables import dead_letters, jobs, steps

LONGEST = timedelta(hours=2)  # what began earlier, and ended lately, is not looked at
_ENDED = (JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.DEAD)


def ended(connection: Connection, within: timedelta) -> dict[JobState, int]:
    """Return how many jobs ended within this time, by how; cancelled ones are not counted."""
    at = now()
    mine = (jobs.c.id >= first_id(at - LONGEST), jobs.c.finished_at >= at - within, jobs.c.state.in_(_ENDED))
    found = connection.execute(select(jobs.c.state, func.count()).where(*mine).group_by(jobs.c.state))
    return {JobState(state): number for state, number in found}


def buried(connection: Connection, within: timedelta) -> int:
    """Return how many dead letters came in within this time."""
    query = select(func.count()).where(dead_letters.c.id >= first_id(now() - within))
    found: int = connection.execute(query).scalar_one()
    return found


def runs(connection: Connection, within: timedelta) -> dict[StageName, list[float]]:
    """Return the seconds that runs took which succeeded within this time, by stage, in no order."""
    at = now()
    mine = (steps.c.job_id >= first_id(at - LONGEST), steps.c.finished_at >= at - within, steps.c.part == "")
    query = select(steps.c.stage, steps.c.started_at, steps.c.finished_at)
    took: dict[StageName, list[float]] = {stage: [] for stage in StageName}
    for row in connection.execute(query.where(*mine, steps.c.state == StepState.SUCCEEDED)):
        if row.started_at is not None:
            took[StageName(row.stage)].append((row.finished_at - row.started_at).total_seconds())
    return took


def letters(connection: Connection) -> list[tuple[tuple[str, str], float]]:
    """Return how many dead letters wait for somebody, by class and stage (empty: of none)."""
    query = select(dead_letters.c.failure_class, dead_letters.c.stage, func.count())
    grouped = query.where(dead_letters.c.state.in_(WAITING)).group_by(
        dead_letters.c.failure_class, dead_letters.c.stage
    )
    return [((kind, stage or ""), float(number)) for kind, stage, number in connection.execute(grouped)]


def busiest(connection: Connection, most: int) -> list[tuple[tuple[str], float]]:
    """Return the organisations with most jobs in 24 hours, up to `most`, and how many."""
    number = func.count()
    query = select(jobs.c.org_id, number).where(jobs.c.id >= first_id(now() - timedelta(hours=24)))
    found = connection.execute(query.group_by(jobs.c.org_id).order_by(number.desc(), jobs.c.org_id).limit(most))
    return [((org_id,), float(jobs_made)) for org_id, jobs_made in found]
