from __future__ import annotations

import io

import pytest

from tests.vedette.lab import Vedette
from vedette.cli import output, words
from vedette.cli.session import Session


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_words_are_not_broken_where_the_terminal_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = "  Nothing that is said to people may end in the middle of a word.\n\nshort"
    shown = words.wrapped(text, _Terminal()).split("\n")
    assert [len(line) <= 40 for line in shown] == [True] * 4
    assert shown[1].startswith("  ")
    assert " ".join(" ".join(shown).split()) == " ".join(text.split())
    assert words.wrapped(text, io.StringIO()) == text


def test_an_error_on_a_narrow_terminal_keeps_its_words(vedette: Vedette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert "\n" not in vedette("scan", "host", "-x").err.partition("\nfix")[0]  # no terminal: one line for programs


@pytest.mark.parametrize(("count", "said"), [(0, "0 ports"), (1, "1 port"), (2, "2 ports")])
def test_one_thing_is_singular(count: int, said: str) -> None:
    assert words.plural(count, "ports") == said


def test_a_list_of_jobs_fits_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    severities = {"high": 1, "medium": 5, "low": 3, "info": 3}
    job = {"id": "x" * 36, "kind": "host", "target": "127.0.0.1", "state": "succeeded", "score": 56, "grade": "D"}
    row = {**job, "severities": severities, "created_at": "2026-11-22T08:39:33Z", "total_s": 1.3}
    output.records(Session(no_color=True), [row], tuple(row), empty="")
    heading, line = capsys.readouterr().out.splitlines()
    assert "severities" in heading
    assert "1H 5M 3L 3I 11-22 08:39 1.3 s" in line
