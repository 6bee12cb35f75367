"""What the gateway says of a window, as one thing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.contracts.job import Contract, JobState
from shared.contracts.statistics import Bucket, Interval, KindFigures, Overview, StageFigures
from shared.contracts.triage import DeadLetterStats
from shared.ids import now
from vedette.cli.figures.window import Window
from vedette.client import Client

ENDS = (JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.DEAD, JobState.CANCELLED)


class Figures(Contract):
    """The jobs that ended from `since` to `as_of`. series: an item for each interval, those without jobs too."""

    since: datetime
    as_of: datetime
    every: Interval
    overview: Overview
    stages: list[StageFigures]
    kinds: list[KindFigures]
    dead_letters: DeadLetterStats
    series: list[Bucket]


def ask(client: Client, window: Window) -> Figures:
    """Ask for everything. Raises what the client does."""
    stats, hours = client.statistics, window.hours
    found = stats.series(window.every, hours)
    as_of = now()
    return Figures(
        since=as_of - timedelta(hours=hours),
        as_of=as_of,
        every=window.every,
        overview=stats.overview(hours),
        stages=stats.stages(hours),
        kinds=stats.kinds(hours),
        dead_letters=client.dlq.stats(),
        series=filled(found, window.moments(as_of)),
    )


def filled(found: Sequence[Bucket], moments: Sequence[datetime]) -> list[Bucket]:
    """Return an item for each moment, with a number for each way to end."""
    by_moment = {bucket.at: bucket for bucket in found}
    return [_whole(by_moment.get(at) or Bucket(at=at)) for at in moments]


def _whole(bucket: Bucket) -> Bucket:
    return bucket.model_copy(update={"states": {state: bucket.states.get(state, 0) for state in ENDS}})
