"""How a user wants waterfalls to look, on whatever they are printed."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from shared.contracts.trace import Trace
from vedette.cli.waterfall.drawing import LEAST, Waterfall
from vedette.cli.waterfall.glyphs import suiting

NO_TERMINAL = 100  # columns


@dataclass(frozen=True)
class Look:
    """width: columns, None as wide as the terminal. The rest as `Waterfall` has it."""

    is_whole: bool
    is_even: bool
    width: int | None

    def of(self, found: Trace, console: Console) -> Waterfall:
        """Return a trace as it is drawn there."""
        width = self.width or (max(console.width, LEAST) if console.is_terminal else NO_TERMINAL)
        return Waterfall(found, width, suiting(console.file), is_whole=self.is_whole, is_even=self.is_even)
