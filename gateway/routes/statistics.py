"""Numbers of what jobs came to."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.auth import Asking, described, needs
from gateway.openapi import problems
from gateway.page import Page
from shared.contracts.identity import Permission
from shared.contracts.statistics import Bucket, Interval, Overview
from shared.errors import InvalidInput
from shared.ids import now
from shared.store import statistics
from shared.store.engine import reading

MOST = 24 * 90  # intervals in one answer: all that there may be by the hour
_HOURS = {Interval.MINUTE: 1 / 60, Interval.HOUR: 1, Interval.DAY: 24}


class SeriesTooLong(InvalidInput):
    """A series would have more intervals than one answer may have."""


router = APIRouter(
    prefix="/api/v1/stats",
    tags=["stats"],
    dependencies=[described, needs(Permission.READ)],
    responses=problems(401, 403, 422, 500, 503),
)


@router.get("/overview")
def get_overview(caller: Asking) -> Overview:
    """How jobs stand, and what came of those that ended in the last 24 hours."""
    with reading(caller.org_id) as connection:
        return statistics.overview(connection, caller.org_id)


@router.get("/timeseries")
def get_timeseries(
    caller: Asking,
    every: Interval = Interval.HOUR,
    hours: Annotated[int, Query(ge=1, le=24 * 90, description="How far back.")] = 24,
) -> Page[Bucket]:
    """The jobs that ended and how long they ran, by interval (UTC), oldest first. Those without any are left out."""
    if hours > MOST * _HOURS[every]:
        cure = f"Ask for {int(MOST * _HOURS[every])} hours at most, or for longer intervals."
        raise SeriesTooLong(f"{hours} hours have too many intervals of one {every}.", cure=cure)
    with reading(caller.org_id) as connection:
        return Page(items=statistics.timeseries(connection, caller.org_id, every, now() - timedelta(hours=hours)))
