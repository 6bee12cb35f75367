"""Bars: what a span was can be seen without colours."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.trace import Gap, Group, Segment, SpanState, Stretch
from tests.vedette.cli.waterfall.falling import span
from vedette.cli.waterfall.bar import bar, style
from vedette.cli.waterfall.glyphs import ASCII, UNICODE, Glyphs
from vedette.cli.waterfall.scale import Pause, Scale


def drawn(
    name: str, start_s: float, end_s: float, *path: tuple[float, float], signs: Glyphs = UNICODE, **of: Any
) -> str:
    stretches = [Stretch(span_id=name, start_s=since, duration_s=until - since) for since, until in path]
    return bar(span(name, start_s, end_s, **of), stretches, Scale(10, 20), signs).plain


@pytest.mark.parametrize(
    ("name", "start_s", "end_s", "line"),
    [
        ("run scan", 1, 4, "  ▄▄▄▄▄▄            "),
        ("wait scan", 0, 2, "░░░░                "),
        ("backoff scan", 8, 10, "                ····"),
        ("job", 0, 10, "├──────────────────┤"),
        ("resolve", 9.99, 10, "                   ▄"),
        ("resolve", 10, 10, "                   ▄"),
    ],
)
def test_each_kind_has_its_own_sign(name: str, start_s: float, end_s: float, line: str) -> None:
    assert drawn(name, start_s, end_s) == line


def test_only_the_part_that_the_end_waited_for_is_full() -> None:
    assert drawn("run scan", 0, 5, (3, 5)) == "▄▄▄▄▄▄████          "
    assert drawn("run scan", 0, 5, (3, 5), signs=ASCII) == "======####          "


def test_a_full_bar_ends_within_a_column_where_there_are_parts_of_blocks() -> None:
    assert drawn("run scan", 0, 2.375, (0, 2.375))[:6] == "████▊ "
    assert drawn("run scan", 0, 2.375, (0, 2.375), signs=ASCII)[:6] == "##### "


def test_a_failure_and_what_goes_on_have_a_sign_at_the_end() -> None:
    assert drawn("run scan", 0, 5, state=SpanState.ERROR) == "▄▄▄▄▄▄▄▄▄▄✗         "
    assert drawn("run scan", 5, 10, state=SpanState.ERROR) == "          ▄▄▄▄▄▄▄▄▄✗"
    assert drawn("run scan", 5, 10, state=SpanState.LIVE, signs=ASCII) == "          =========>"
    assert drawn("run scan", 0, 2, state=SpanState.LOST) == "╳╳╳╳                "


def test_what_is_drawn_short_is_marked_in_each_bar_that_goes_through_it() -> None:
    scale = Scale(100, 20, [Pause(5, 95)])
    assert bar(span("backoff scan", 5, 95), [], scale, UNICODE).plain.strip() == "···≈···"
    assert "≈" in bar(span("job", 0, 100, segment=Segment.JOB), [], scale, UNICODE).plain
    assert "≈" not in bar(span("run scan", 95, 100), [], scale, UNICODE).plain


def test_a_gap_is_seen_in_the_row_of_the_job() -> None:
    gaps = [Gap(start_s=2, duration_s=2), Gap(start_s=6, duration_s=0.1)]
    job = span("job", 0, 10)
    assert bar(job, gaps, Scale(10, 20), UNICODE).plain == "├───┈┈┈┈───────────┤"
    assert bar(job, gaps, Scale(10, 20), ASCII).plain == "|---____-----------|"


def test_a_group_says_how_long_each_took_where_there_is_room() -> None:
    group = Group(count=9, min_s=0.1, median_s=0.2, max_s=0.3, total_s=2)
    scale = Scale(10, 40)
    assert bar(span("probe", 0, 2, group=group), [], scale, UNICODE).plain.rstrip() == "▄▄▄▄▄▄▄▄  100 ms – 300 ms each"
    assert bar(span("probe", 8, 10, group=group), [], scale, UNICODE).plain.strip() == "100 ms – 300 ms each  ▄▄▄▄▄▄▄▄"
    assert bar(span("probe", 0, 10, group=group), [], scale, UNICODE).plain == "▄" * 40


def test_what_failed_is_red_whatever_its_stage() -> None:
    assert style(span("run scan", 0, 1, state=SpanState.ERROR, is_critical=True)) == "bold red"
    assert style(span("run scan", 0, 1)) == "cyan"
    assert style(span("run notify", 0, 1, is_critical=True)) == "bold green"
