"""What a waterfall is drawn with: blocks and lines, or ASCII where the encoding of the stream has no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from vedette.cli import words


@dataclass(frozen=True)
class Glyphs:
    """Each is one column wide, but those of the tree, which are two.

    eighths: the left parts of a block, from none to seven eighths; one alone where there are no parts.
    """

    signs: words.Marks
    critical: str = "█"
    beside: str = "▄"
    wait: str = "░"
    backoff: str = "·"
    lost: str = "╳"
    live: str = "▸"
    failed: str = "✗"
    mark: str = "◆"
    skip: str = "≈"
    through: str = "─"
    gap: str = "┈"
    first: str = "├"
    last: str = "┤"
    tick: str = "┴"
    times: str = "×"
    to: str = "–"
    more: str = "…"
    branch: str = "├ "
    corner: str = "└ "
    stem: str = "│ "
    eighths: str = " ▏▎▍▌▋▊▉"


UNICODE = Glyphs(words.UNICODE)
ASCII = Glyphs(
    words.ASCII,
    critical="#",
    beside="=",
    wait="/",
    backoff=".",
    lost="?",
    live=">",
    failed="x",
    mark="*",
    skip="~",
    through="-",
    gap="_",
    first="|",
    last="|",
    tick="+",
    times="x",
    to="-",
    more="~",
    branch="|-",
    corner="`-",
    stem="| ",
    eighths=" ",
)


def suiting(stream: IO[str]) -> Glyphs:
    """Return those that `stream` can show."""
    return UNICODE if words.marks(stream) is words.UNICODE else ASCII
