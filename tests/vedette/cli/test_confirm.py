"""Counts have to be confirmed before something is done to many."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from vedette.cli import confirm
from vedette.cli.confirm import NotConfirmed, OtherCount
from vedette.cli.failure import Misused


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Somebody at a terminal: what is given to it is typed."""
    ours, theirs = pty.openpty()
    opened: list[TextIO] = [os.fdopen(theirs, "r"), os.fdopen(os.dup(theirs), "w")]

    def type_in(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", opened[0])
        monkeypatch.setattr(sys, "stderr", opened[1])
        os.write(ours, text.encode())

    yield type_in
    for stream in opened:
        stream.close()
    os.close(ours)


def test_the_expected_count_is_enough_and_another_one_is_refused() -> None:
    assert confirm.count(12, 12, "jobs", "cancelled") == 12
    with pytest.raises(OtherCount, match="12 jobs now, not 11") as refused:
        confirm.count(12, 11, "jobs", "cancelled")
    assert "--expect 12" in refused.value.cure
    with pytest.raises(OtherCount, match="it would be 1 job now, not 2"):
        confirm.count(1, 2, "jobs", "cancelled")


def test_without_a_terminal_the_option_is_named() -> None:
    with pytest.raises(Misused, match="nobody can be asked") as refused:
        confirm.count(12, None, "jobs", "cancelled")
    assert refused.value.cure == "Add --expect 12"
    with pytest.raises(Misused) as refused:
        confirm.yes("Sure?", is_given=False)
    assert "--yes" in refused.value.cure


def test_somebody_who_types_the_count_goes_on(terminal: Callable[[str], None]) -> None:
    terminal("12\n")
    assert confirm.count(12, None, "jobs", "cancelled") == 12


@pytest.mark.parametrize("typed", ["y\n", "\n", "11\n", "\x04"])
def test_anything_else_is_a_no(terminal: Callable[[str], None], typed: str) -> None:
    terminal(typed)
    with pytest.raises(NotConfirmed, match="Nothing was cancelled"):
        confirm.count(12, None, "jobs", "cancelled")


@pytest.mark.parametrize(("typed", "is_yes"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False)])
def test_yes_is_yes(terminal: Callable[[str], None], typed: str, is_yes: bool) -> None:
    terminal(typed)
    if is_yes:
        confirm.yes("Sure?", is_given=False)
    else:
        with pytest.raises(NotConfirmed):
            confirm.yes("Sure?", is_given=False)
