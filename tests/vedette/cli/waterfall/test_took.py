"""Durations and marks of an axis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vedette.cli.waterfall.took import moment, step, took


@pytest.mark.parametrize(
    ("value_s", "said"),
    [
        *((0.0, "0.0 ms"), (0.0004, "0.4 ms"), (0.34, "340 ms"), (0.9996, "1.00 s"), (1.42, "1.42 s")),
        *(
            (14.23, "14.2 s"),
            (59.96, "1 m 00 s"),
            (185, "3 m 05 s"),
            (7500, "2 h 05 m"),
            (360000, "4 d 04 h"),
            (1e300, "> 999 d"),
            (-1.0, "0.0 ms"),
        ),
    ],
)
def test_a_duration_is_as_exact_as_it_is_short(value_s: float, said: str) -> None:
    assert took(value_s) == said


@pytest.mark.parametrize(
    ("at_s", "step_s", "said"),
    [
        *((0.0, 1.0, "0"), (0.25, 0.05, "250 ms"), (1.5, 0.5, "1.5 s"), (20.0, 10.0, "20 s")),
        *((60.0, 20.0, "1 m"), (80.0, 20.0, "1 m 20 s"), (3600.0, 1800.0, "1 h 00 m")),
    ],
)
def test_a_mark_is_as_exact_as_its_step(at_s: float, step_s: float, said: str) -> None:
    assert moment(at_s, step_s) == said


@given(some.floats(1e-6, 1e7))
def test_a_step_is_not_below_what_was_asked_for_and_not_far_above(least_s: float) -> None:
    assert least_s * (1 - 1e-9) <= step(least_s) <= max(least_s * 3, 1.1e-6)
