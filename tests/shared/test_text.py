"""Whatever a stranger says can be kept, and what could be kept before is not changed."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.text import REPLACEMENT, as_json, cell, clock, inert, kept, spell

ANY = some.text() | some.text(alphabet='\\u0\x00\ud800é"n', max_size=20)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | ANY,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


@given(text=ANY)
def test_kept_text_is_utf_8_without_nul_and_otherwise_the_same(text: str) -> None:
    assert "\x00" not in kept(text)
    assert kept(text).encode().decode() == kept(text)
    assert kept(kept(text)) == kept(text)
    assert len(kept(text)) == len(text)
    if "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert kept(text) == text


@given(text=ANY)
def test_a_string_in_json_is_kept_as_it_is_outside_of_it(text: str) -> None:
    assert json.loads(as_json({"a": [text]})) == {"a": [kept(text)]}


@given(value=JSON)
def test_any_json_is_storable(value: object) -> None:
    document = as_json(value)
    document.encode()
    assert "\x00" not in str(json.loads(document, parse_constant=pytest.fail))


def test_what_json_has_no_number_for_is_null() -> None:
    assert (
        as_json({"a": [math.nan, math.inf, (1.5, -math.inf)], "b": "NaN"}) == '{"a":[null,null,[1.5,null]],"b":"NaN"}'
    )


def test_six_letters_that_look_like_an_escape_stay() -> None:
    assert json.loads(as_json("\\u0000 \\\x00")) == f"\\u0000 \\{REPLACEMENT}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (41.2, "41 s"),
        (59.7, "1 m"),
        (372, "6 m 12 s"),
        (3600, "1 h"),
        (11100, "3 h 5 m"),
        (187200, "2 d 4 h"),
    ],
)
def test_lengths_of_time_are_spelled(seconds: float, text: str) -> None:
    assert spell(seconds) == text


def test_the_date_is_said_where_it_is_not_today() -> None:
    at = datetime(2025, 3, 1, 11, 2, 41, tzinfo=UTC)
    assert clock(at) == "2025-03-01 11:02:41 UTC"
    assert len(clock(datetime.now(UTC))) == len("11:02:41 UTC")


@pytest.mark.parametrize("sign", "=+-@＝＋－＠")
@pytest.mark.parametrize("before", ["", " ", '"', "'", "\t", "\r", '" ', "a;", 'a;"', "a\t", "a\n", "a\r\n "])
def test_no_cell_becomes_a_formula_whatever_separates_cells(sign: str, before: str) -> None:
    made = cell(f"{before}{sign}cmd|' /C calc'!A0")
    for piece in re.split("[;\t\r\n]", made):
        assert piece.strip().startswith("'") or not piece.lstrip("\"' ").startswith(sign)


def test_cells_without_formulas_stay_as_they_are() -> None:
    for said in ("Redis 6.0-rc1 answers", "a = b", "user@example.org", "tcp/192.0.2.10:6379", "1; 2", ""):
        assert cell(said) == said


@given(some.text())
def test_inert_text_is_one_line_that_steers_nothing(said: str) -> None:
    made = inert(said)
    assert not set(made) & set("\x00\n\r\x07\x1b\x7f\x85\x9b\u2028\u202e\u2066")
    made.encode()
