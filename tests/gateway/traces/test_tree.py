"""Whatever was recorded is a tree: nothing is lost, nothing is twice, and everything is below its job."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from gateway.traces.row import Row
from gateway.traces.tree import Tree, grow
from shared.contracts.job import StageName
from shared.contracts.trace import Segment, SpanState
from tests.gateway.traces.making import MS, ZERO, row, top

IDS = some.sampled_from(["job", *(f"s{n}" for n in range(12)), "nowhere", ""])


@some.composite
def anything(draw: some.DrawFn) -> list[Row]:
    """Rows with any parents: circles, themselves, missing ones; of jobs that are not there; in any order of time."""
    rows = [top(draw(some.integers(-50, 50)), draw(some.integers(50, 90)))] if draw(some.booleans()) else []
    for row_id in draw(some.lists(IDS.filter(lambda each: each not in {"job", "nowhere", ""}), unique=True)):
        began = draw(some.integers(-100, 100))
        made = row(row_id, began, began + draw(some.integers(0, 100)), draw(IDS))
        segment, job_id = draw(some.sampled_from(Segment)), draw(some.sampled_from([made.job_id, "other", ""]))
        rows.append(replace(made, segment=segment, job_id=job_id))
    return draw(some.permutations(rows))


def parents(tree: Tree) -> dict[str, str]:
    return {each.id: parent for each, parent, _ in tree.walk()}


@given(anything())
def test_every_row_is_in_the_tree_once_and_after_its_parent(rows: list[Row]) -> None:
    seen: dict[str, int] = {"": -1}
    for each, parent, depth in grow(rows).walk():
        assert each.id not in seen
        assert seen[parent] == depth - 1
        seen[each.id] = depth
    assert seen.keys() == {"", *(each.id for each in rows)}


@given(anything())
def test_siblings_are_in_the_order_of_their_beginning(rows: list[Row]) -> None:
    tree = grow(rows)
    for ids in (tree.tops, *tree.below.values()):
        begins = [tree.rows[each].began for each in ids]
        assert begins == sorted(begins)


@given(anything())
def test_a_job_at_the_top_reaches_over_all_that_is_below_it(rows: list[Row]) -> None:
    tree = grow(rows)
    whole = None
    for each, parent, _ in tree.walk():
        if not parent:
            whole = each if each.segment is Segment.JOB else None
        elif whole:
            assert whole.began <= each.began <= each.ended <= whole.ended


@given(anything())
def test_no_row_changes_but_the_time_of_a_job(rows: list[Row]) -> None:
    tree = grow(rows)
    assert all(tree.rows[each.id] == each for each in rows if each.segment is not Segment.JOB)


def test_a_job_is_at_the_top_and_the_request_that_made_it_is_below_it() -> None:
    request = row("post", -5, 20, "of-the-client", segment=Segment.REQUEST, job_id="")
    tree = grow([request, top(10, 20, parent="post"), row("run", 12, 18, "job")])
    assert parents(tree) == {"job": "", "post": "job", "run": "job"}
    assert tree.rows["job"].began == ZERO - 5 * MS
    assert not tree.adrift


def test_a_request_of_several_jobs_is_a_tree_of_its_own() -> None:
    request = row("post", 0, 9, segment=Segment.REQUEST, job_id="")
    jobs = [row(name, 1, 5, "post", segment=Segment.JOB, job_id=name) for name in ("a", "b")]
    assert grow([request, *jobs]).tops == ["post", "a", "b"]


def test_requests_of_one_caller_are_each_below_the_job_that_they_made() -> None:
    jobs = [row(name, 1, 5, segment=Segment.JOB, job_id=name) for name in ("a", "b")]
    posts = [row(f"post {name}", 0, 9, "caller", segment=Segment.REQUEST, job_id=name) for name in ("a", "b")]
    assert parents(grow([*jobs, *posts])) == {"a": "", "post a": "a", "b": "", "post b": "b"}


def test_a_row_whose_parent_is_missing_is_below_its_job_and_marked() -> None:
    tree = grow([top(0, 9), row("probe", 2, 3, "gone")])
    assert parents(tree)["probe"] == "job"
    assert tree.adrift == {"probe"}


def test_what_was_recorded_inside_of_a_run_that_goes_on_is_below_that_run() -> None:
    live = row("run", 1, 9, "", segment=Segment.RUN, stage=StageName.SCAN, state=SpanState.LIVE, is_from_ledger=True)
    inside, outside = row("in", 2, 3, "gone", stage=StageName.SCAN), row("out", 2, 3, "gone", stage=StageName.REPORT)
    tree = grow([top(0, 9), live, inside, outside])
    assert parents(tree) == {"job": "", "run": "job", "in": "run", "out": "job"}
    assert tree.adrift == {"out"}


def test_a_circle_is_cut_and_the_place_marked() -> None:
    tree = grow([top(0, 9), row("a", 1, 2, "b"), row("b", 1, 3, "c"), row("c", 1, 4, "a"), row("d", 1, 5, "b")])
    assert list(parents(tree).values()).count("job") == 1
    assert len(tree.adrift) == 1


def test_a_long_chain_is_no_trouble() -> None:
    chain = [row(f"s{n}", n, n + 1, f"s{n - 1}" if n else "job") for n in range(5000)]
    assert max(depth for _, _, depth in grow([top(0, 1), *chain]).walk()) == 5000
