"""Tables: what gives way where a terminal is narrow, and what never does."""

from __future__ import annotations

import pytest
from rich.text import Text

from vedette.cli import grid

HEADINGS = ("id", "count", "said")
ROWS = [
    [Text("aa"), Text("7"), Text("a sentence that is longer than there is room for")],
    [Text("b"), Text("12345"), Text("short")],
]


def _plain(width: int | None, last: str = "cut") -> list[str]:
    return [line.plain for line in grid.lines(HEADINGS, ROWS, width, numbers=("count",), last=last)]


def test_where_there_is_no_terminal_nothing_is_cut() -> None:
    assert _plain(None) == [
        "id  count  said",
        "aa      7  a sentence that is longer than there is room for",
        "b   12345  short",
    ]


@pytest.mark.parametrize("last", ["cut", "wrap", "beneath"])
@pytest.mark.parametrize("width", [30, 40, 80])
def test_no_line_is_wider_than_the_terminal(width: int, last: str) -> None:
    assert max(len(line) for line in _plain(width, last)) <= width


def test_a_cut_cell_ends_in_dots_and_the_others_stay_whole() -> None:
    line = _plain(30)[1]
    assert line.startswith("aa      7  a sentence")
    assert line.endswith("…")


def test_a_broken_cell_goes_on_under_itself() -> None:
    assert _plain(34, "wrap")[1:4] == [
        "aa      7  a sentence that is",
        "           longer than there is",
        "           room for",
    ]


def test_a_cell_beneath_has_a_line_of_its_own() -> None:
    assert _plain(60, "beneath")[:3] == [
        "id  count",
        "aa      7",
        "    a sentence that is longer than there is room for",
    ]
    assert _plain(120, "beneath") == _plain(None)
