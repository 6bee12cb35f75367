"""Pieces of text in as few lines as they fit in."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text


def fold(pieces: Iterable[Text], width: int, *, joint: str = " ", indent: int = 0) -> list[Text]:
    """Return `pieces` in lines of at most `width` columns, all but the first indented; what is too long is broken."""
    lines: list[Text] = []
    line = Text()
    for piece in pieces:
        if line.plain.strip() and line.cell_len + len(joint) + piece.cell_len <= width:
            line.append(joint, "dim").append_text(piece)
            continue
        if line.plain.strip():
            lines.append(line)
            line = Text(" " * indent)
        line = _broken(line.append_text(piece), lines, width, indent)
    return [*lines, line] if line.plain.strip() else lines


def spelled(text: Text) -> list[Text]:
    """Return the words of a text."""
    ends = [place for place, sign in enumerate(text.plain) if sign == " "]
    parts = text.divide(ends) if ends else [text]
    return [part[1:] if part.plain.startswith(" ") else part for part in parts if part.plain.strip()]


def _broken(line: Text, lines: list[Text], width: int, indent: int) -> Text:
    """Return the end of a line; what of it fills lines of its own goes to `lines`."""
    while line.cell_len > width > indent:
        head = line.copy()
        head.truncate(width, overflow="crop")
        lines.append(head)
        line = Text.assemble(" " * indent, line[len(head.plain) :])
    return line
