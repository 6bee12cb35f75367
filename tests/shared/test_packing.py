"""What is packed comes out the same, whatever its size, and never larger than was asked for."""

from __future__ import annotations

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.packing import packed, unpacked


@given(st.binary(max_size=200) | st.integers(4000, 4200).map(lambda size: b"ab" * size))
def test_what_is_packed_comes_out_again(data: bytes) -> None:
    assert unpacked(packed(data)) == unpacked(packed(data), 100_000) == zlib.decompress(packed(data)) == data


def test_text_that_repeats_itself_gets_small() -> None:
    said = b'{"name":"run scan","attributes":{"vedette.stage":"scan"}}'
    assert all(len(packed(said * times)) < len(said) * times / 3 for times in (10, 1000))


def test_no_more_is_unpacked_than_was_asked_for() -> None:
    assert unpacked(packed(b"0" * 50_000_000), 1000) == b"0" * 1000


@pytest.mark.parametrize("wrong", [b"", b"nonsense", packed(b"abc" * 999)[:-6]])
def test_what_is_not_packed_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="unpacked"):
        unpacked(wrong)


@given(st.binary(max_size=300))
def test_bytes_of_strangers_are_unpacked_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(unpacked(data, 1000)) <= 1000
