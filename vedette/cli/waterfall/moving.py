"""A waterfall on a terminal while its job runs: drawn again in the same place, as much of it as fits."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from vedette.cli.waterfall.drawing import Waterfall

LEAST = 3  # rows, however low the terminal is


class Moving:
    """Draws until its block ends, and takes away what it drew. Without a console it draws nothing."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live.is_started:
            self._live.__exit__(kind, exc, trace)

    def update(self, waterfall: Waterfall) -> None:
        if self._console is None:
            return
        if not self._live.is_started:
            self._live.start()
        self._live.update(
            Text("\n", no_wrap=True, overflow="crop").join(fitting(waterfall, self._console.height - 1)), refresh=True
        )


def fitting(waterfall: Waterfall, height: int) -> list[Text]:
    """Return as many lines as a screen has: of the rows the last, where a job that runs is at."""
    above, rows, below = waterfall.parts()
    if len(above) + len(rows) + len(below) <= height:
        return [*above, *rows, *below]
    room = max(height - len(above), LEAST)
    return [*above, *rows[-room:]]
