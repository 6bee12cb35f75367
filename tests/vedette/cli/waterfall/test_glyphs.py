"""The signs of a waterfall are such as its stream can take."""

from __future__ import annotations

import io

from vedette.cli.waterfall.glyphs import ASCII, UNICODE, suiting


def test_a_stream_without_unicode_gets_ascii() -> None:
    assert suiting(io.TextIOWrapper(io.BytesIO(), "ascii")) is ASCII
    assert suiting(io.TextIOWrapper(io.BytesIO(), "iso-8859-1")) is ASCII
    assert suiting(io.TextIOWrapper(io.BytesIO(), "utf-8")) is UNICODE
