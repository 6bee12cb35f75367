from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.scan.net.ranges import compact
from shared.contracts import ports


def test_neighbours_become_a_range() -> None:
    assert compact([80, 22, 81, 82]) == "22,80-82"


def test_a_long_list_is_cut_between_items() -> None:
    text = compact(range(1, 65536, 2), limit=20)
    assert text == "1,3,5,7,9,11,13,15,…"


@given(st.sets(st.integers(1, 65535), min_size=1, max_size=200))
def test_what_is_written_reads_back_as_the_same_ports(numbers: set[int]) -> None:
    assert ports.parse(compact(numbers, limit=10_000)) == sorted(numbers)
