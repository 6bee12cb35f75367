"""A line of a job's log is one line on a terminal, whatever is in it."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.contracts.logs import LogLevel, LogLine
from vedette.cli import joblog

EVIL = "a\x1b]0;x\x07\u202e\n12:00:00 error FORGED"


def test_no_part_of_a_line_steers_the_terminal_or_begins_a_line_of_its_own() -> None:
    line = LogLine(
        id="1.0",
        at=datetime.now(UTC),
        level=LogLevel.INFO,
        event=EVIL,
        stage=EVIL,
        service=EVIL,
        process=EVIL,
        fields={EVIL: EVIL},
        exception=EVIL,
    )
    first, *rest = joblog._told(line).plain.split("\n")
    assert "FORGED" in first
    assert all(each.startswith("    ") for each in rest)
    assert not {"\x1b", "\x07", "\u202e"} & set("\n".join([first, *rest]))
