"""Port expressions: any text is either ports or InvalidInput, and never takes long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.contracts import ports
from shared.contracts.ports import GROUPS, LAST_PORT, PortGroup
from shared.errors import InvalidInput

DOCUMENT = Path(__file__).parents[3] / "docs" / "ports.md"
PORT = some.integers(min_value=1, max_value=LAST_PORT)
FEW = some.integers(min_value=1, max_value=99)
NEARLY = some.text(alphabet="0123456789,- \t+_.x٣²", max_size=40)


@given(expression=some.one_of(NEARLY, some.text(max_size=60)))
def test_any_text_is_ports_or_invalid_input(expression: str) -> None:
    try:
        found = ports.parse(expression)
    except InvalidInput:
        return
    assert found == sorted(set(found))
    assert 1 <= found[0] <= found[-1] <= LAST_PORT


@given(wanted=some.sets(PORT, min_size=1, max_size=50))
def test_a_list_comes_back_sorted_and_once(wanted: set[int]) -> None:
    expression = ",".join(str(port) for port in [*wanted, *wanted])
    assert ports.parse(expression) == sorted(wanted)


@given(spans=some.lists(some.tuples(FEW, FEW).map(sorted), min_size=1, max_size=6))
def test_overlapping_ranges_are_their_union(spans: list[list[int]]) -> None:
    expression = ", ".join(f"{first} - {last}" for first, last in spans)
    assert set(ports.parse(expression)) == {port for first, last in spans for port in range(first, last + 1)}


def test_open_ends_reach_the_first_and_the_last_port() -> None:
    assert ports.parse("-") == list(range(1, LAST_PORT + 1))
    assert ports.parse("-3") == [1, 2, 3]
    assert ports.parse("65534-") == [65534, 65535]


@pytest.mark.parametrize(
    "expression", ["", ",", "1,", "0", "65536", "9-1", "1-2-3", "--", "http", "٣", "²", "1e3", "+5", "000022", "1_0"]
)
def test_what_names_no_ports_is_refused_with_a_cure(expression: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ports.parse(expression)
    assert refused.value.cure


def test_naming_every_port_a_hundred_thousand_times_is_no_work() -> None:
    started = time.perf_counter()
    assert len(ports.parse(",".join(["-"] * 100_000))) == LAST_PORT
    assert time.perf_counter() - started < 2


def test_every_listed_port_is_in_one_group_once() -> None:
    listed = [port for members in GROUPS.values() for port in members]
    assert len(set(listed)) == len(listed)
    assert all(ports.group_of(port) is group for group, members in GROUPS.items() for port in members)


def test_the_document_lists_them_as_they_are() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == ports.markdown(), "python -m shared.contracts.ports > docs/ports.md"


@given(wanted=some.sets(PORT, max_size=100))
def test_grouping_loses_no_port_and_doubles_none(wanted: set[int]) -> None:
    grouped = ports.in_groups(sorted(wanted))
    assert sorted(port for members in grouped.values() for port in members) == sorted(wanted)
    assert list(grouped) == [group for group in PortGroup if group in grouped]
    assert all(grouped.values())
