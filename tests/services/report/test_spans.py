from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.report.spans import Span, spans


def test_what_stands_in_backticks_is_code() -> None:
    assert spans("Set `bind ::1` and `requirepass`.") == [
        Span("Set ", False),
        Span("bind ::1", True),
        Span(" and ", False),
        Span("requirepass", True),
        Span(".", False),
    ]


@pytest.mark.parametrize("text", ["a ` b", "``", "`a\nb`", "*a* _b_ <b>c</b> [d](e) $f$ \\g", " "])
def test_anything_else_stays_as_it_is(text: str) -> None:
    assert spans(text) == [Span(text, False)]


def test_a_backtick_left_over_stays() -> None:
    assert spans("`a` and `b") == [Span("a", True), Span(" and `b", False)]


def test_nothing_has_no_pieces() -> None:
    assert spans("") == []


@given(st.text(st.sampled_from("`ab\n <")))
def test_no_character_is_lost(text: str) -> None:
    assert "".join(f"`{span.text}`" if span.is_code else span.text for span in spans(text)) == text
