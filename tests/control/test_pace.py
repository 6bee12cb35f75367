from __future__ import annotations

import time

from control.pace import Pace


def test_without_a_rate_everything_is_allowed() -> None:
    pace = Pace(0.0)
    pace.spend(10**9)
    assert pace.allowed(200) == 200


def test_a_rate_holds_over_time_and_nothing_is_saved_up() -> None:
    pace, begun, done = Pace(50.0), time.monotonic(), 0
    while time.monotonic() < begun + 0.5:
        count = pace.allowed(200)
        pace.spend(count)
        done += count
        time.sleep(0.01)
    took_s = time.monotonic() - begun
    assert 0.5 * 50 * took_s <= done <= 50 * took_s + 2


def test_less_than_one_a_second_is_still_something() -> None:
    pace = Pace(0.5)
    assert pace.allowed(200) == 1
    pace.spend(1)
    assert pace.allowed(200) == 0
