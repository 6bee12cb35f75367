"""Equal siblings in one row."""

from __future__ import annotations

from hypothesis import given

from gateway.traces.groups import FROM, grouped
from gateway.traces.row import Row
from gateway.traces.tree import grow
from shared.contracts.trace import Segment, SpanError, SpanState
from tests.gateway.traces.making import MS, ZERO, row, top
from tests.gateway.traces.test_tree import anything


def probes(count: int, **fields: object) -> list[Row]:
    return [
        row(f"p{n}", n, 2 * n + 1, "run", name="probe", attributes={"n": n, "of": 1}, **fields) for n in range(count)
    ]


RUN = [top(0, 99), row("run", 0, 99, "job", segment=Segment.RUN)]


def drawn(*rows: Row) -> list[tuple[str, int]]:
    tree, _ = grouped(grow(rows))
    return [(each.name, len(each.members)) for each, _, _ in tree.walk()]


def test_a_few_are_rows_of_their_own_and_many_are_one() -> None:
    assert drawn(*RUN, *probes(FROM - 1)) == [("job", 0), ("run", 0), *[("probe", 0)] * (FROM - 1)]
    assert drawn(*RUN, *probes(50)) == [("job", 0), ("run", 0), ("probe", 50)]


def test_a_group_reaches_from_the_first_to_the_last_and_says_what_its_members_share() -> None:
    tree, within = grouped(grow([*RUN, *probes(5)]))
    group = tree.rows["p0"]
    assert (group.began, group.ended) == (ZERO, ZERO + 9 * MS)
    assert sorted(group.members) == [n * MS for n in range(1, 6)]
    assert dict(group.attributes) == {"of": 1}
    assert within == {f"p{n}": "p0" for n in range(5)}


def test_those_that_failed_are_not_hidden_among_the_others() -> None:
    error = SpanError(type="Refused", fingerprint="ab")
    failed = [row(f"e{n}", n, n + 1, "run", name="probe", state=SpanState.ERROR, error=error) for n in range(2)]
    assert drawn(*RUN, *probes(6), *failed) == [("job", 0), ("run", 0), ("probe", 6), ("probe", 0), ("probe", 0)]


def test_attempts_waits_and_back_offs_are_never_grouped() -> None:
    for segment in (Segment.RUN, Segment.WAIT, Segment.BACKOFF):
        rows = [row(f"r{n}", n, n + 1, "job", name="run scan", segment=segment) for n in range(9)]
        assert len(drawn(top(0, 9), *rows)) == 10


def test_what_is_below_a_group_is_grouped_from_two_on() -> None:
    deep = [row(f"t{n}", n, n + 1, f"p{n}", name="tls") for n in range(2)]
    lone = row("h", 1, 2, "p3", name="http")
    assert drawn(*RUN, *probes(6), *deep, lone) == [("job", 0), ("run", 0), ("probe", 6), ("tls", 2), ("http", 0)]


@given(anything())
def test_each_span_is_in_exactly_one_row(rows: list[Row]) -> None:
    tree, within = grouped(grow(rows))
    assert sum(max(1, len(each.members)) for each in tree.rows.values()) == len(rows)
    assert {within.get(each.id, each.id) for each in rows} == set(tree.rows)
    assert len(list(tree.walk())) == len(tree.rows)
