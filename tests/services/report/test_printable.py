from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.report import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "‹ESC›[31mred"),
        ("a\x00b", "a‹NUL›b"),
        ("a\u202efdp.exe", "a‹U+202E›fdp.exe"),
        ("\x9b31m", "‹U+009B›31m"),
        ("zero\u200bwidth", "zero‹U+200B›width"),
        ("lone\ud800", "lone‹U+D800›"),
        ("two\r\n lines\tand a tab", "two lines and a tab"),
        ("👩‍👧 خ‌ی", "👩‍👧 خ‌ی"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 3),
    ],
)
def test_hidden_characters_are_named_in_a_line(text: str, shown: str) -> None:
    assert printable.line(text) == shown


def test_a_block_keeps_its_lines_and_tabs() -> None:
    assert printable.block("a\r\nb\n\tc\rd") == "a\nb\n\tc‹CR›d"


def test_a_long_line_is_cut_with_an_ellipsis() -> None:
    assert printable.line("word " * 100, 20) == "word word word word…"


@given(st.text(st.characters()), st.integers(1, 50))
def test_a_line_is_short_and_holds_no_control_character(text: str, limit: int) -> None:
    shown = printable.line(text, limit)
    assert len(shown) <= limit
    hidden = {c for c in shown if unicodedata.category(c) in {"Cc", "Cs"} or unicodedata.bidirectional(c) in BIDI}
    assert not hidden


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
