"""Where the time went adds up, and gaps are what is left."""

from __future__ import annotations

from hypothesis import given

from gateway.traces.row import SECOND, Row
from gateway.traces.sums import gaps, totals, union
from shared.contracts.trace import Segment, SpanState
from tests.gateway.traces.making import MS, ZERO, row
from tests.gateway.traces.test_tree import anything

WHOLE = (ZERO, ZERO + 100 * MS)


def test_each_moment_counts_once_and_work_comes_first() -> None:
    rows = [
        row("run", 0, 20, segment=Segment.RUN),
        row("inside", 5, 10),
        row("lost", 15, 40, segment=Segment.RUN, state=SpanState.LOST),
        row("wait", 30, 60, segment=Segment.WAIT),
        row("back off", 50, 90, segment=Segment.BACKOFF),
        row("job", 0, 100, segment=Segment.JOB),
    ]
    found = totals(rows, WHOLE, 3)
    parts = (found.ran_s, found.lost_s, found.waited_s, found.backed_off_s, found.idle_s)
    assert parts == (0.02, 0.02, 0.02, 0.03, 0.01)
    assert (found.spans, found.errors, found.dropped) == (6, 1, 3)


def test_a_gap_is_a_time_in_which_there_is_only_the_job() -> None:
    rows = [row("a", 10, 20), row("b", 15, 30), row("c", 60, 60), row("job", 0, 100, segment=Segment.JOB)]
    assert [(gap.start_s, gap.duration_s) for gap in gaps(rows, WHOLE)] == [(0, 0.01), (0.03, 0.03), (0.06, 0.04)]


@given(anything())
def test_the_parts_are_the_whole(rows: list[Row]) -> None:
    if not rows:
        return
    whole = min(each.began for each in rows), max(each.ended for each in rows)
    found = totals(rows, whole, 0)
    parts = (found.ran_s, found.lost_s, found.waited_s, found.backed_off_s, found.idle_s)
    assert min(parts) >= 0
    assert abs(sum(parts) - (whole[1] - whole[0]) / SECOND) < 1e-5


@given(anything())
def test_gaps_are_the_idle_time_and_do_not_overlap(rows: list[Row]) -> None:
    if not rows:
        return
    whole = min(each.began for each in rows), max(each.ended for each in rows)
    found = gaps(rows, whole)
    times = [(gap.start_s, gap.start_s + gap.duration_s) for gap in found]
    assert times == sorted(times)
    assert abs(sum(gap.duration_s for gap in found) - totals(rows, whole, 0).idle_s) < 1e-4


def test_times_that_touch_are_one() -> None:
    assert union([(5, 6), (1, 3), (3, 4), (1, 2)]) == [(1, 4), (5, 6)]
