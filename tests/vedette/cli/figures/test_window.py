from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.statistics import Interval
from vedette.cli.failure import Misused
from vedette.cli.figures.window import STEPS, Window, window

AT = datetime(2026, 11, 26, 12, 34, 56, 789, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "found", "name"),
    [
        ("1h", Window(1, Interval.MINUTE), "1 h"),
        ("24h", Window(24, Interval.HOUR), "24 h"),
        (" 2D ", Window(48, Interval.HOUR), "48 h"),
        ("3d", Window(72, Interval.HOUR), "3 d"),
        ("100h", Window(100, Interval.DAY), "100 h"),
        ("90d", Window(2160, Interval.DAY), "90 d"),
    ],
)
def test_intervals_suit_the_time(since: str, found: Window, name: str) -> None:
    assert window(since, None) == found
    assert found.name == name


def test_an_interval_that_was_asked_for_wins() -> None:
    assert window("7d", "hour") == Window(168, Interval.HOUR)


@pytest.mark.parametrize("since", ["", "0h", "5", "90s", "30m", "91d", "2161h", "-1d", "1.5h", "٣d", "7 days"])
def test_other_times_are_refused_with_what_can_be_written(since: str) -> None:
    with pytest.raises(Misused) as refused:
        window(since, None)
    assert "12h or 7d" in refused.value.cure


@pytest.mark.parametrize(
    ("hours", "every", "first", "count"),
    [
        (1, Interval.MINUTE, AT.replace(hour=11, second=0, microsecond=0), 61),
        (24, Interval.HOUR, AT.replace(day=25, minute=0, second=0, microsecond=0), 25),
        (168, Interval.DAY, AT.replace(day=19, hour=0, minute=0, second=0, microsecond=0), 8),
    ],
    ids=["minute", "hour", "day"],
)
def test_every_interval_that_the_time_touches_has_its_moment(
    hours: int, every: Interval, first: datetime, count: int
) -> None:
    found = Window(hours, every).moments(AT)
    assert found == [first + number * STEPS[every] for number in range(count)]
    assert found[-1] <= AT < found[-1] + STEPS[every]
    assert found[0] <= AT - timedelta(hours=hours) < found[1]
