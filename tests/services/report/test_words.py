from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.report import words
from shared.contracts.finding import ChangeState, Confidence
from shared.contracts.observation import GapReason


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (0.04, "0.0 s"),
        (2.44, "2.4 s"),
        (59.96, "1 min 0 s"),
        (372, "6 min 12 s"),
        (7500, "2 h 5 min"),
        (-1, "0.0 s"),
    ],
)
def test_spans_are_read_at_a_glance(seconds: float | None, told: str) -> None:
    assert words.span(seconds) == told


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [(0, 5, "0 %"), (1, 1000, "1 %"), (999, 1000, "99 %"), (5, 5, "100 %"), (37, 214, "17 %"), (0, 0, "0 %")],
)
def test_a_percentage_is_whole_only_when_the_thing_is(part: int, whole: int, told: str) -> None:
    assert words.percent(part, whole) == told


def test_moments_are_told_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert words.moment(datetime(2026, 11, 22, 7, 30, tzinfo=tokyo)) == "21 November 2026, 22:30 UTC"
    assert words.day(datetime(2026, 1, 2, tzinfo=UTC)) == "2 January 2026"
    assert words.moment(None) == "–"
    assert words.moment(datetime.min.replace(tzinfo=tokyo)).startswith("1 January 1")


def test_points_have_no_idle_zeros() -> None:
    assert [words.points(value) for value in (25.0, 0.5, 0.25, 10.0, 1234.0)] == ["25", "0.5", "0.25", "10", "1,234"]


def test_lists_and_counts_are_english() -> None:
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b"]) == "a and b"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert [words.counted(n, "port") for n in (0, 1, 2000)] == ["0 ports", "1 port", "2,000 ports"]


def test_every_state_has_its_words() -> None:
    assert set(words.CONFIDENCES) == set(Confidence)
    assert set(words.CHANGES) == set(ChangeState)
    assert set(words.GAPS) == set(GapReason)
