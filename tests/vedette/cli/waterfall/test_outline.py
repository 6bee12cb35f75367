"""Which rows there are."""

from __future__ import annotations

from shared.contracts.trace import Group, Segment, SpanState, Totals
from tests.vedette.cli.waterfall.falling import retried, span, top, trace
from vedette.cli.waterfall.glyphs import UNICODE
from vedette.cli.waterfall.outline import MOST, hidden, outline

MANY = [
    top(30),
    span("run scan", 0, 30),
    *(span(f"probe {n}", n, n + (5 if n == 20 else 1), "run scan", depth=2) for n in range(30)),
    span("bad", 3, 3.1, "run scan", depth=2, state=SpanState.ERROR),
    span("slow", 4, 4.2, "run scan", depth=2, is_critical=True),
]


def test_attempts_are_rows_with_their_numbers_and_sendings_are_left_out() -> None:
    lines = outline(retried(), UNICODE, is_whole=False)
    named = [(line.span.name, line.span.attempt) for line in lines if line.span and line.is_one_of]
    assert named == [("wait scan", 1), ("run scan", 1), ("backoff scan", 2), ("run scan", 2)]
    assert not [line for line in lines if line.span and line.span.segment is Segment.SEND]
    assert [line.span.name for line in outline(retried(), UNICODE, is_whole=True) if line.span] == [
        each.name for each in retried().spans
    ]


def test_a_sending_that_failed_is_shown() -> None:
    spans = [top(1), span("send scan", 0, 1, state=SpanState.ERROR)]
    assert len(outline(trace(spans), UNICODE, is_whole=False)) == 2


def test_of_much_inner_work_what_failed_what_mattered_and_the_longest_stay() -> None:
    lines = outline(trace(MANY), UNICODE, is_whole=False)
    names = [line.span.name for line in lines if line.span]
    assert len(names) == 2 + MOST
    assert {"bad", "slow", "probe 20"} <= set(names)
    assert (lines[-1].span, lines[-1].hidden) == (None, 32 - MOST)
    assert lines[-1].hidden_s > 0
    assert len(outline(trace(MANY), UNICODE, is_whole=True)) == len(MANY)


def test_what_has_no_row_is_counted_and_what_is_in_a_group_is_not() -> None:
    group = Group(count=12, min_s=0.1, median_s=0.1, max_s=0.1, total_s=1.2)
    grouped = trace([top(2), span("probe", 0, 2, group=group), span("send scan", 0, 1)], totals=Totals(spans=14))
    assert hidden(grouped, outline(grouped, UNICODE, is_whole=False)) == 1
    assert hidden(grouped, outline(grouped, UNICODE, is_whole=True)) == 0


def test_the_tree_is_drawn_with_the_last_of_siblings_at_a_corner() -> None:
    spans = [top(3), span("run scan", 0, 2), span("tls", 0, 1, "run scan", depth=2), span("run process", 2, 3)]
    assert [(line.lead, line.below) for line in outline(trace(spans), UNICODE, is_whole=False)] == [
        *(("", "│ "), ("├ ", "│ │ "), ("│ └ ", "│     "), ("└ ", "    "))
    ]


def test_a_span_whose_parent_is_not_there_is_shown() -> None:
    lines = outline(trace([top(1), span("run scan", 0, 1, "nobody")]), UNICODE, is_whole=False)
    assert [line.span.name for line in lines if line.span] == ["job", "run scan"]
