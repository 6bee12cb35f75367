"""A line of a log while pytest takes standard output away: without `Lines` the interpreter crashes."""

from __future__ import annotations

import io
import sys

import pytest

from tests.printing import Lines


class Taken(io.StringIO):
    """An output that another takes the place of while something is written to it."""

    def write(self, text: str) -> int:
        sys.stdout = sys.__stdout__
        return super().write(text)

    def flush(self) -> None:
        flushed.append(self.getvalue())


flushed: list[str] = []


def test_an_output_lasts_until_a_line_is_written_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # puts the right one back at the end
    sys.stdout = Taken()  # held by nobody else
    Lines().info("a line")
    assert flushed == ["a line\n"]


def test_a_line_after_its_output_was_closed_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    Lines().warning("too late")
