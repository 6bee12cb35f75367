"""A series as a line of small bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from vedette.cli.words import UNICODE, Marks

WIDEST = 6  # characters of one interval
_LEVELS, _NOTHING = "▁▂▃▄▅▆▇█", "·"
_PLAIN_LEVELS, _PLAIN_NOTHING = "-=+*#", "."


def pieces(values: Sequence[float], room: int, join: Callable[[Sequence[float]], float]) -> list[float]:
    """Return at most `room` values, oldest first: neighbours are joined where there are more."""
    size = -(-len(values) // room)
    return [join(values[place : place + size]) for place in range(0, len(values), size or 1)]


def spark(values: Sequence[float], room: int, signs: Marks, style: str = "") -> Text:
    """Return a bar for each value, in `room` characters at most; those of nothing are dots, others can be seen."""
    levels, nothing = (_LEVELS, _NOTHING) if signs is UNICODE else (_PLAIN_LEVELS, _PLAIN_NOTHING)
    most, width = max(values, default=0.0), min(room // max(len(values), 1), WIDEST)
    line = Text()
    for value in values:
        if value > 0:
            line.append(levels[min(int(value / most * len(levels)), len(levels) - 1)] * width, style)
        else:
            line.append(nothing * width, "dim")
    return line
