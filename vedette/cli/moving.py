"""What moves on a terminal while a block lasts."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from vedette.cli import words

REFRESH_HZ = 4


class Moving:
    """A place on stderr that is drawn anew; it begins with the first `move`, and ends with the block.

    ticks: draw it also between moves, for what counts seconds by itself.
    """

    def __init__(self, console: Console, *, is_quiet: bool, transient: bool = False, ticks: bool = True) -> None:
        self._console = console
        self._is_quiet = is_quiet
        self._signs = words.marks(console.file)
        self._live = Live(console=console, refresh_per_second=REFRESH_HZ, transient=transient, auto_refresh=ticks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live.is_started:
            self._live.__exit__(kind, exc, trace)

    def move(self, to: RenderableType) -> None:
        """Draw this from now on."""
        if not self._live.is_started:
            self._live.start()
        self._live.update(to, refresh=True)
