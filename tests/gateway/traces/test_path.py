"""The critical path: what the end waited for."""

from __future__ import annotations

from hypothesis import given

from gateway.traces.path import critical
from gateway.traces.row import Row
from gateway.traces.sums import union
from gateway.traces.tree import Tree, grow
from shared.contracts.trace import Segment
from tests.gateway.traces.making import MS, ZERO, row, top
from tests.gateway.traces.test_tree import anything


def path(*rows: Row) -> list[tuple[str, int, int]]:
    tree = grow(rows)
    pieces, _ = critical(tree, list(tree.rows.values()), *_whole(tree))
    return [(piece.row_id, (piece.began - ZERO) // MS, (piece.ended - ZERO) // MS) for piece in pieces]


def _whole(tree: Tree) -> tuple[int, int]:
    return min(each.began for each in tree.rows.values()), max(each.ended for each in tree.rows.values())


def test_it_goes_through_waits_and_runs_one_after_the_other() -> None:
    rows = [row("wait", 0, 2, "job"), row("run", 2, 6, "job"), row("notify", 7, 9, "job")]
    assert path(top(0, 9), *rows) == [("wait", 0, 2), ("run", 2, 6), ("notify", 7, 9)]


def test_of_those_at_once_it_takes_the_one_that_ended_last() -> None:
    rows = [row("run", 0, 10, "job"), row("a", 0, 3, "run"), row("b", 0, 9, "run"), row("c", 2, 8, "run")]
    assert path(top(0, 10), *rows) == [("b", 0, 9), ("run", 9, 10)]


def test_one_that_overlaps_with_its_successor_counts_until_that_began() -> None:
    assert path(top(0, 9), row("a", 0, 6, "job"), row("b", 5, 9, "job")) == [("a", 0, 5), ("b", 5, 9)]


def test_what_a_row_did_itself_is_of_the_path_between_those_below_it() -> None:
    rows = [row("run", 0, 9, "job"), row("a", 1, 3, "run"), row("b", 5, 8, "run")]
    assert path(top(0, 9), *rows) == [("run", 0, 1), ("a", 1, 3), ("run", 3, 5), ("b", 5, 8), ("run", 8, 9)]


def test_a_row_is_not_of_it_when_nothing_waited_for_it() -> None:
    tree = grow([top(0, 9), row("a", 0, 9, "job"), row("aside", 2, 4, "job")])
    assert critical(tree, list(tree.rows.values()), *_whole(tree))[1] == {"a"}


@given(anything())
def test_its_pieces_follow_each_other_within_their_rows(rows: list[Row]) -> None:
    if not rows:
        return
    tree = grow(rows)
    whole = _whole(tree)
    pieces, through = critical(tree, list(tree.rows.values()), *whole)
    at = whole[0]
    for piece in pieces:
        assert at <= piece.began < piece.ended <= whole[1]
        assert tree.rows[piece.row_id].began <= piece.began
        assert piece.ended <= tree.rows[piece.row_id].ended
        assert piece.row_id in through
        at = piece.ended


@given(anything())
def test_without_jobs_in_between_it_is_as_long_as_there_was_something_at_the_top(rows: list[Row]) -> None:
    tree = grow([each for each in rows if each.segment is not Segment.JOB])
    if not tree.rows:
        return
    pieces, _ = critical(tree, list(tree.rows.values()), *_whole(tree))
    busy = union((tree.rows[each].began, tree.rows[each].ended) for each in tree.tops)
    assert sum(piece.ended - piece.began for piece in pieces) == sum(ended - began for began, ended in busy)


def test_five_thousand_at_once_are_no_trouble() -> None:
    assert len(path(top(0, 9000), *(row(f"s{n}", n, n + 40, "job") for n in range(5000)))) == 126
