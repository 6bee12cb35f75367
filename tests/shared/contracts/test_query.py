"""Queries are read as people write them; what cannot be read is pointed at, with what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import query
from shared.contracts.query import DEAD_LETTERS, JOBS, QueryWrong, Term

PIECES = st.lists(
    st.one_of(
        st.sampled_from([*JOBS, *DEAD_LETTERS]).map(lambda name: f"{name}:"),
        st.sampled_from(['"', "-", ",", ":", " ", "\\", ">24h", "<1m", "failed", "10.0.0.0/24", "';--", "%", "\x00"]),
        st.text(max_size=5),
    ),
    max_size=12,
).map("".join)


def test_the_example_of_the_interface_is_read() -> None:
    text = 'state:failed kind:host queue:scan.heavy target:"10.0.0.0/24" class:external ended:>24h -tag:nightly'
    assert query.parse(text, JOBS) == [
        Term("state", ("failed",)),
        Term("kind", ("host",)),
        Term("queue", ("scan.heavy",)),
        Term("target", ("10.0.0.0/24",)),
        Term("class", ("external",)),
        Term("ended", (">24h",)),
        Term("tag", ("nightly",), is_negated=True),
    ]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  db.example.org ", [Term("target", ("db.example.org",), is_free=True)]),
        ("fe80::1", [Term("target", ("fe80::1",), is_free=True)]),
        ("cafe::1", [Term("target", ("cafe::1",), is_free=True)]),
        ('"http://x"', [Term("target", ("http://x",), is_free=True)]),
        ("State:Failed,DEAD", [Term("state", ("failed", "dead"))]),
        (r'-"two \"words\""', [Term("target", ('two "words"',), is_negated=True, is_free=True)]),
        ('code:"a,b",c', [Term("code", ("a,b", "c"))]),
        ("tag:env=prod", [Term("tag", ("env=prod",))]),
    ],
)
def test_terms_values_quotes_and_signs(text: str, terms: list[Term]) -> None:
    assert query.parse(text, JOBS) == terms


@pytest.mark.parametrize(
    ("text", "place", "cure"),
    [
        ("db sate:failed", 4, "state"),
        ("state:", 7, "Write one"),
        ("state:failed,", 14, "Write one"),
        ("-", 2, "Write one"),
        ('target:"a', 8, "Close it"),
        ('""', 1, "Write one"),
        ('"a"b', 4, "space or a comma"),
        ("state:failed state:broken", 20, "succeeded"),
        ("created:24h", 9, "created:>24h"),
        ("created:>9999999d", 9, "created:>24h"),
        ("tag:A'B", 5, "tag:name=value"),
        ("localhost:80", 1, "Quote"),
        ("x" * 1001, 1001, "at most 1000"),
        ("a " * 101, 1, "at most 100"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, place: int, cure: str) -> None:
    with pytest.raises(QueryWrong) as caught:
        query.parse(text, JOBS)
    assert f"(character {place})" in caught.value.message
    assert cure in caught.value.cure
    assert caught.value.pointer == "/q"


@given(st.one_of(st.text(max_size=60), PIECES))
def test_every_text_is_read_or_refused(text: str) -> None:
    for fields in (JOBS, DEAD_LETTERS):
        try:
            terms = query.parse(text, fields)
        except QueryWrong:
            continue
        assert all(term.field in fields and all(term.values) for term in terms)


@given(st.text(min_size=1, max_size=30).filter(lambda text: text.strip() == text and "\x00" not in text))
def test_whatever_is_quoted_comes_back(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    try:
        quoted.encode()
    except UnicodeEncodeError:
        return
    assert query.parse(f'code:"{quoted}"', JOBS) == [Term("code", (value,))]
