"""Text of rules, with what stands in `backticks` told apart as code. Nothing else is markup."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile("`([^`\n]+)`")


@dataclass(frozen=True)
class Span:
    text: str
    is_code: bool


def spans(text: str) -> list[Span]:
    """Return the pieces of `text` in their order. A backtick without a partner in its line stays in the text."""
    # Splitting at one group leaves text and code in turns.
    pieces = enumerate(_CODE.split(text))
    return [Span(piece, place % 2 == 1) for place, piece in pieces if piece]
