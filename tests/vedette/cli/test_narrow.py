from __future__ import annotations

import pytest

from vedette.cli.narrow import left

NAMES = ("id", "kind", "target", "reason", "total_s")
LINES = [["id", "kind", "target", "reason", "total"], ["3f0f6e1b", "host", "db.example.org", "", "1.2 s"]]


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (41, ["id", "kind", "target", "reason", "total_s"]),
        (40, ["id", "kind", "target", "total_s"]),
        (34, ["id", "kind", "target", "total_s"]),
        (33, ["id", "kind", "target"]),
        (27, ["id", "target"]),
        (5, ["id", "target"]),
    ],
)
def test_what_is_empty_goes_before_what_can_be_spared_and_the_target_never(room: int, shown: list[str]) -> None:
    assert [NAMES[place] for place in left(NAMES, LINES, room)] == shown


def test_a_table_of_empty_columns_keeps_one() -> None:
    assert left(("reason", "name"), [["reason", "name"], ["", ""]], 1) == [1]
