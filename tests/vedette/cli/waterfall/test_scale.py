"""The axis: order is kept, and long quiet times are short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.contracts.trace import SpanState
from tests.vedette.cli.waterfall.falling import retried, span, top, trace
from vedette.cli.waterfall.scale import PAUSE, Pause, Scale, pauses


def test_a_long_back_off_is_drawn_short_with_what_is_quiet_beside_it() -> None:
    assert pauses(retried()) == [Pause(1.9, 62)]


def test_a_quiet_time_that_is_no_large_part_is_drawn_as_it_was() -> None:
    assert pauses(trace([top(10), span("wait scan", 0, 2), span("run scan", 2, 10)])) == []


def test_a_request_that_waits_for_the_end_of_its_job_hides_no_pause() -> None:
    request = span("POST /api/v1/jobs", 0, 100, segment="request")
    assert pauses(trace([top(100), request, span("run scan", 99, 100)])) == [Pause(0, 99)]


def test_what_goes_on_now_is_drawn_as_it_is() -> None:
    waiting = span("wait scan", 1, 100, state=SpanState.LIVE)
    assert pauses(trace([top(100, state=SpanState.LIVE), span("run scan", 0, 1), waiting])) == []


def test_the_rest_has_the_room_that_a_pause_leaves() -> None:
    scale = Scale(65, 47, [Pause(2, 62)])
    assert scale.at(62) - scale.at(2) == pytest.approx(PAUSE)
    assert scale.at(1) == pytest.approx(40 / 5)
    assert (scale.at(0), scale.at(65), scale.at(-1), scale.at(99)) == (0, 47, 0, 47)


def test_a_trace_without_any_time_is_at_its_beginning() -> None:
    assert Scale(0, 40).at(0) == 0
    assert Scale(0, 40).marks() == (0.0, [0.0])


@given(
    some.lists(some.floats(0, 1000), min_size=4, max_size=10).map(sorted), some.integers(20, 200), some.floats(0, 1000)
)
def test_later_is_never_left_of_earlier_and_marks_are_on_the_axis(
    times: list[float], columns: int, later_s: float
) -> None:
    edges = list(zip(times[::2], times[1::2], strict=False))
    short = [Pause(since, until) for since, until in edges if until > since]
    scale = Scale(times[-1] + later_s, columns, short)
    places = [scale.at(at_s) for at_s in times]
    assert places == sorted(places)
    assert all(0 <= place <= columns for place in places)
    _, marks = scale.marks()
    assert marks == sorted(set(marks))
    assert len(marks) <= columns
