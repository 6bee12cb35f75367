"""Tables of our own layout, for people. Only the last column gives way on a terminal that is too narrow."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.text import Text

from vedette.cli import words

NARROW = 100  # columns below which the last column has a line of its own, where it is told to
GAP = 2
LEAST = 12  # columns that the last one has at least
INDENT = 4

Row = Sequence[Text]


def show(
    console: Console, headings: Sequence[str], rows: Sequence[Row], *, numbers: Collection[str] = (), last: str = "cut"
) -> None:
    """Print rows under `headings`. numbers: these to the right.  last: what becomes of the last column in the narrow.

    `cut` ends it with dots, `wrap` breaks it, `beneath` gives it a line of its own.
    """
    width = console.width if console.is_terminal else None
    for line in lines(headings, rows, width, numbers=numbers, last=last, more=words.marks(console.file).more):
        console.print(line, soft_wrap=True)


def lines(
    headings: Sequence[str],
    rows: Sequence[Row],
    width: int | None = None,
    *,
    numbers: Collection[str] = (),
    last: str = "cut",
    more: str = "…",
) -> list[Text]:
    """Return the lines of the table. width: None for as wide as it is.  more: the dots."""
    is_beneath = last == "beneath" and width is not None and width < NARROW
    count = len(headings) - is_beneath
    titles = [Text(heading, "bold") for heading in headings[:count]]
    widths = [max(row[place].cell_len for row in [titles, *rows]) for place in range(count)]
    if width is not None:
        widths[-1] = min(widths[-1], max(width - sum(widths[:-1]) - GAP * (count - 1), LEAST))
    found = []
    for row in [titles, *rows]:
        found += _laid(row[:count], widths, [heading in numbers for heading in headings], last, more)
        if is_beneath and row is not titles:
            found.append(_cut(Text(" " * INDENT).append_text(row[-1]), width or 0, more))
    return found


def _laid(row: Row, widths: Sequence[int], is_number: Sequence[bool], last: str, more: str) -> list[Text]:
    """Return one row as lines: more than one where its last cell was broken."""
    line = Text()
    for cell, width, is_right in zip(row[:-1], widths, is_number, strict=False):
        padding = " " * (width - cell.cell_len)
        line = Text.assemble(line, padding, cell) if is_right else Text.assemble(line, cell, padding)
        line.append(" " * GAP)
    if last != "wrap":
        cell = _cut(row[-1], widths[-1], more)
        padding = " " * (widths[-1] - cell.cell_len) if is_number[len(widths) - 1] else ""
        return [_trimmed(Text.assemble(line, padding, cell))]
    folded = words.folded(row[-1].plain, widths[-1])
    indent = " " * line.cell_len
    return [
        _trimmed(Text.assemble(line if not place else indent, (part, str(row[-1].style)))) for place, part in folded
    ]


def _cut(text: Text, width: int, more: str) -> Text:
    if text.cell_len <= width:
        return text
    shown = text.copy()
    shown.truncate(max(width - len(more), 0))
    return shown.append(more)


def _trimmed(text: Text) -> Text:
    text.rstrip()
    return text
