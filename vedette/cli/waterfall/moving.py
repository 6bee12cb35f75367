"""A waterfall on a terminal while its job runs: drawn again in the same place, as much of it as fits."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from vedette.cli.moving import Moving
from vedette.cli.waterfall.drawing import Waterfall

LEAST = 3  # rows, however low the terminal is


class MovingWaterfall(Moving):
    """Takes away what it drew when its block ends, for what is printed then. Quiet, it draws nothing."""

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        super().__init__(console, is_quiet=is_quiet, transient=True, ticks=False)

    def update(self, waterfall: Waterfall) -> None:
        if not self._is_quiet:
            lines = fitting(waterfall, self._console.height - 1)
            self.move(Text("\n", no_wrap=True, overflow="crop").join(lines))


def fitting(waterfall: Waterfall, height: int) -> list[Text]:
    """Return as many lines as a screen has: of the rows the last, where a job that runs is at."""
    above, rows, below = waterfall.parts()
    if len(above) + len(rows) + len(below) <= height:
        return [*above, *rows, *below]
    room = max(height - len(above), LEAST)
    return [*above, *rows[-room:]]
