"""Numbers of what jobs came to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.auth import Asking, described, needs
from gateway.openapi import problems
from gateway.page import Page
from shared.contracts.identity import Permission
from shared.contracts.statistics import Bucket, Interval, KindFigures, Overview, StageFigures
from shared.errors import InvalidInput
from shared.ids import now
from shared.store import stage_statistics, statistics
from shared.store.engine import reading

MOST = 24 * 90  # intervals in one answer: all that there may be by the hour
DAY = 24  # hours
_HOURS = {Interval.MINUTE: 1 / 60, Interval.HOUR: 1, Interval.DAY: DAY}

Hours = Annotated[int, Query(ge=1, le=DAY * 90, description="How far back.")]


class SeriesTooLong(InvalidInput):
    """A series would have more intervals than one answer may have."""


router = APIRouter(
    prefix="/api/v1/stats",
    tags=["stats"],
    dependencies=[described, needs(Permission.READ)],
    responses=problems(401, 403, 422, 500, 503),
)


@router.get("/overview")
def get_overview(caller: Asking, hours: Hours = DAY) -> Overview:
    """How jobs stand, and what came of those that ended in these hours."""
    with reading(caller.org_id) as connection:
        return statistics.overview(connection, caller.org_id, _since(hours))


@router.get("/timeseries")
def get_timeseries(caller: Asking, every: Interval = Interval.HOUR, hours: Hours = DAY) -> Page[Bucket]:
    """The jobs that ended and how long they ran, by interval (UTC), oldest first. Those without any are left out."""
    if hours > MOST * _HOURS[every]:
        cure = f"Ask for {int(MOST * _HOURS[every])} hours at most, or for longer intervals."
        raise SeriesTooLong(f"{hours} hours have too many intervals of one {every}.", cure=cure)
    with reading(caller.org_id) as connection:
        return Page(items=statistics.timeseries(connection, caller.org_id, every, _since(hours)))


@router.get("/stages")
def get_stages(caller: Asking, hours: Hours = DAY) -> Page[StageFigures]:
    """How the stages fared of the jobs that ended in these hours, in their order. Those that never ran are left out."""
    with reading(caller.org_id) as connection:
        return Page(items=stage_statistics.stages(connection, caller.org_id, _since(hours)))


@router.get("/kinds")
def get_kinds(caller: Asking, hours: Hours = DAY) -> Page[KindFigures]:
    """The jobs that ended in these hours, by kind of target and profile, those with most jobs first."""
    with reading(caller.org_id) as connection:
        return Page(items=statistics.kinds(connection, caller.org_id, _since(hours)))


def _since(hours: int) -> datetime:
    return now() - timedelta(hours=hours)
