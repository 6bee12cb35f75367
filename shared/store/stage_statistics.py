"""How the stages fared of jobs that ended, counted by the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Subquery, func, select

from shared.contracts.job import StageName, StepState
from shared.contracts.statistics import StageFigures, Took
from shared.store import percentiles
from shared.store.statistics import is_over
from shared.store.tables import jobs, steps
from shared.store.tables.columns import SecondsBetween


def stages(connection: Connection, org_id: str, since: datetime) -> list[StageFigures]:
    """Return the stages that ran in the jobs that ended since then, in their order."""
    runs = _runs(org_id, since)
    query = select(
        runs.c.stage,
        func.count().label("runs"),
        func.count().filter(runs.c.state == StepState.FAILED).label("failed"),
        func.sum(runs.c.retries).label("retries"),
        func.sum(runs.c.lost).label("lost"),
        *percentiles.measures(runs, "ran"),
        *percentiles.measures(runs, "waited"),
    )
    found = {row["stage"]: row for row in connection.execute(query.group_by(runs.c.stage)).mappings()}
    return [
        StageFigures(
            **{name: row[name] for name in ("stage", "runs", "failed", "retries", "lost")},
            ran=Took(**percentiles.took(row, "ran")),
            waited=Took(**percentiles.took(row, "waited")),
        )
        for stage in StageName
        if (row := found.get(stage))
    ]


def _runs(org_id: str, since: datetime) -> Subquery:
    """Return the runs of stages that came to an end, with how long each ran and waited."""
    ran_s = SecondsBetween(steps.c.started_at, steps.c.finished_at)
    waited_s = SecondsBetween(steps.c.ready_at, steps.c.started_at)
    columns = (steps.c.stage, steps.c.state, steps.c.retries, steps.c.lost, ran_s.label("ran"))
    shares = (
        percentiles.share(ran_s, steps.c.stage).label("ran_share"),
        percentiles.share(waited_s, steps.c.stage).label("waited_share"),
    )
    is_run = (steps.c.part == "", steps.c.state.in_((StepState.SUCCEEDED, StepState.FAILED)))
    has_times = (steps.c.started_at.is_not(None), steps.c.finished_at.is_not(None), steps.c.ready_at.is_not(None))
    query = select(*columns, waited_s.label("waited"), *shares).join(jobs, jobs.c.id == steps.c.job_id)
    return query.where(is_over(org_id, since), *is_run, *has_times).subquery()
