from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.cli.figures.spark import WIDEST, pieces, spark
from vedette.cli.words import ASCII, UNICODE

counts = st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=300)


@given(counts, st.integers(min_value=1, max_value=100))
def test_pieces_have_room_and_lose_nothing(values: list[float], room: int) -> None:
    found = pieces(values, room, sum)
    assert 1 <= len(found) <= room
    assert abs(sum(found) - sum(values)) <= 1e-6 * max(sum(values), 1)
    assert max(pieces(values, room, max)) == max(values)


def test_neighbours_are_joined_oldest_first() -> None:
    assert pieces([1, 2, 3, 4, 5], 2, sum) == [6, 9]
    assert pieces([1, 2, 3], 3, sum) == [1, 2, 3]


@given(counts, st.integers(min_value=0, max_value=100))
def test_bars_fit_and_what_is_there_is_seen(values: list[float], more: int) -> None:
    line = spark(values, len(values) + more, UNICODE).plain
    width = len(line) // len(values)
    assert 1 <= width <= WIDEST
    assert len(line) == width * len(values) <= len(values) + more
    assert [sign == "·" for sign in line[::width]] == [value == 0 for value in values]


def test_the_greatest_is_a_whole_block_and_the_least_a_line() -> None:
    assert spark([0, 0.1, 4, 8], 4, UNICODE).plain == "·▁▅█"
    assert spark([0, 0.1, 4, 8], 11, ASCII).plain == "..--++##"
