"""Figures to draw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.contracts.job import JobState, StageName
from shared.contracts.statistics import Bucket, Interval, KindFigures, Overview, StageFigures, Took
from shared.contracts.triage import DeadLetterStats
from vedette.cli.figures.asked import Figures, filled
from vedette.cli.figures.window import Window

AS_OF = datetime(2026, 11, 26, 12, 34, 56, tzinfo=UTC)
DAY = Window(24, Interval.HOUR)


def stage(name: StageName, runs: int = 40, **fields: Any) -> StageFigures:
    took = Took(average_s=1.25, p50_s=1.0, p95_s=185.0)
    made = {"failed": 0, "retries": 0, "lost": 0, "ran": took, "waited": Took(average_s=0.04, p95_s=0.3)}
    return StageFigures(stage=name, runs=runs, **{**made, **fields})


def kind(profile: str, jobs: int = 3) -> KindFigures:
    return KindFigures(kind="host", profile=profile, states={JobState.SUCCEEDED: jobs}, success_rate=1.0, p95_s=2.0)


def figures(window: Window = DAY, **fields: Any) -> Figures:
    """Of two hours in which jobs ended: 30 well and 2 not; one was cancelled."""
    moments = window.moments(AS_OF)
    found = [
        Bucket(at=moments[3], states={JobState.SUCCEEDED: 10}, p95_s=2.0),
        Bucket(at=moments[4], states={JobState.SUCCEEDED: 20, JobState.DEAD: 2, JobState.CANCELLED: 1}, p95_s=90.0),
    ]
    made = {
        "since": AS_OF - timedelta(hours=window.hours),
        "as_of": AS_OF,
        "every": window.every,
        "overview": Overview(
            states={JobState.RUNNING: 3, JobState.DEAD: 2}, finished=33, failed=2, success_rate=0.9375, p95_s=90.0
        ),
        "stages": [stage(StageName.SCAN, failed=2, retries=7, lost=1), stage(StageName.PROCESS)],
        "kinds": [kind("standard"), kind("quick", 2)],
        "dead_letters": DeadLetterStats(
            open=3, by_class={"external": 1, "permanent": 2}, oldest_open_at=AS_OF - timedelta(hours=3)
        ),
        "series": filled(found, moments),
    }
    return Figures.model_validate({**made, **fields})


def none(window: Window = DAY) -> Figures:
    """Of a time in which nothing ended."""
    series = filled([], window.moments(AS_OF))
    return figures(window, overview=Overview(), stages=[], kinds=[], dead_letters=DeadLetterStats(), series=series)
