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
from shared.ids import now
from shared.store import statistics
from shared.store.engine import reading

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
    """The jobs that ended, by interval, oldest first. Intervals without any are left out."""
    with reading(caller.org_id) as connection:
        return Page(items=statistics.timeseries(connection, caller.org_id, every, now() - timedelta(hours=hours)))
