"""What moves on a terminal while a block lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

from vedette.cli import words
from vedette.cli.failure import Exit, Misused
from vedette.cli.follow import Patience
from vedette.cli.session import Session

REFRESH_HZ = 4

Answer = TypeVar("Answer")


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


def again(session: Session, ask: Callable[[], Answer], draw: Callable[[Answer], RenderableType], every_s: float) -> int:
    """Draw the answer anew every `every_s` until Ctrl-C, also past a gateway that is away for a while: `--watch`.

    Raises Misused where programs read, since it has no end.
    """
    if not session.is_table:
        raise Misused("What never ends is for people alone.", cure="Leave out --watch, or --output and --fields.")
    asking = Patience(session.note)
    try:
        with Moving(session.console(), is_quiet=False, ticks=False) as moving:
            while True:
                found = asking.ask(ask)
                if found is not None:
                    moving.move(draw(found))
                time.sleep(every_s)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
