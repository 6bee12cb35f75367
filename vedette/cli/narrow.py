"""What a table leaves out where a terminal is narrow, so that what is left can be read."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

GAP = 1  # between two columns
_SPARED = ("total_s", "grade", "kind", "prefix", "scopes")  # the first goes first


def left(names: Sequence[str], lines: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return the places of the columns to show in `room` cells. lines: the headings, then the rows.

    What is empty throughout goes first, then what can be spared, one by one; the rest is folded where it must be.
    """
    widths = [max(cell_len(line[place]) for line in lines) for place in range(len(names))]
    kept = list(range(len(names)))
    for place in [*_empty(lines), *(names.index(name) for name in _SPARED if name in names)]:
        if sum(widths[each] + GAP for each in kept) - GAP <= room:
            break
        if place in kept and len(kept) > 1:
            kept.remove(place)
    return kept


def _empty(lines: Sequence[Sequence[str]]) -> list[int]:
    return [place for place in range(len(lines[0])) if not any(line[place] for line in lines[1:])]
