"""The screen of `vedette stats` in terminals of every width."""

from __future__ import annotations

import re

import pytest

from shared.contracts.job import StageName
from shared.contracts.statistics import Interval
from tests.vedette.cli.figures.making import DAY, figures, kind, none, stage
from vedette.cli.figures.asked import Figures
from vedette.cli.figures.board import LEAST, board
from vedette.cli.figures.window import Window
from vedette.cli.words import ASCII, UNICODE, Marks

SCREEN = """\
Last 24 h · 33 jobs ended · success 93.7 % · 3 running
  succeeded  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━────       30   90.9 %
  dead       ━━──────────────────────────────────────        2    6.0 %
  cancelled  ━───────────────────────────────────────        1    3.0 %

  ended      ···▄█····················  up to 23 in 1 h
  failed     ····█····················  up to 2 in 1 h
  p95        ···▁█····················  up to 1 m 30 s
             Wed 12:00 UTC         now

stage    runs  failed  retries  lost  run avg   run p95  wait avg  wait p95
scan       40       2        7     1   1.25 s  3 m 05 s     40 ms    300 ms
process    40                          1.25 s  3 m 05 s     40 ms    300 ms

kind  profile   jobs  success     p95
host  standard     3    100 %  2.00 s
host  quick        2    100 %  2.00 s

Dead letters  3 open · 2 permanent · 1 external · the oldest for 3 h"""


def drawn(found: Figures, width: int = 80, signs: Marks = UNICODE, window: Window = DAY) -> str:
    return "\n".join(line.plain for line in board(found, window, width, signs))


def headings(found: Figures, width: int = 80) -> list[str]:
    """Return the columns of the stages."""
    line = next(line for line in drawn(found, width).splitlines() if line.startswith("stage "))
    return re.split("  +", line)[1:]


def test_one_screen_says_how_it_goes() -> None:
    assert drawn(figures()) == SCREEN


@pytest.mark.parametrize("width", range(1, 130, 3))
@pytest.mark.parametrize("window", [DAY, Window(1, Interval.MINUTE), Window(2160, Interval.DAY)], ids=lambda w: w.name)
def test_no_line_is_wider_than_the_terminal(width: int, window: Window) -> None:
    found = drawn(figures(window), width, window=window)
    assert max(map(len, found.splitlines())) <= max(width, LEAST)
    assert all(said in found for said in ("succeeded", "ended", "run p95", "quick", "Dead letters"))


def test_the_narrow_gives_up_averages_before_percentiles_and_failures() -> None:
    assert headings(figures(), 60) == ["runs", "failed", "retries", "run avg", "run p95", "wait p95"]
    assert headings(figures(), 48) == ["runs", "failed", "run p95", "wait p95"]
    assert headings(figures(), 40) == ["runs", "failed", "run p95"]


def test_without_blocks_it_is_plain_ascii() -> None:
    assert drawn(figures(), signs=ASCII).isascii()
    assert "...+#..." in drawn(figures(), signs=ASCII)


def test_of_nothing_there_are_two_lines() -> None:
    assert drawn(none()) == "Last 24 h · no job ended\n\nNo dead letter waits for somebody."


def test_what_is_nought_throughout_has_no_column() -> None:
    found = figures(stages=[stage(StageName.SCAN)])
    assert headings(found) == ["runs", "run avg", "run p95", "wait avg", "wait p95"]


def test_of_many_kinds_the_busiest_are_told() -> None:
    said = drawn(figures(kinds=[kind(f"p{number}") for number in range(8)]))
    assert "p4" in said
    assert "p5 " not in said
    assert "and 3 more" in said


def test_texts_of_a_gateway_do_not_steer_the_terminal() -> None:
    letters = figures().dead_letters.model_copy(update={"by_class": {"\x1b[31m": 1}})
    said = drawn(figures(kinds=[kind("\x1b[31m\nx")], dead_letters=letters))
    assert "\x1b" not in said
    assert "‹1B›[31m x" in said
