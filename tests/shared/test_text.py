"""Whatever a stranger says can be kept, and what could be kept before is not changed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.text import REPLACEMENT, as_json, kept

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
