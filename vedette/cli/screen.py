"""The console that everything is printed on: no text on it steers the terminal, whoever it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from vedette.cli import words


class Screen(Console):
    """Shows control and hidden characters in texts; colours and movements of our own are not part of texts."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or (text := words.harmless(segment.text)) == segment.text:
                yield segment
            else:
                yield Segment(text, segment.style)


def screen(*, stderr: bool, no_color: bool) -> Screen:
    """Return stdout or stderr to print on. Without colours (`no_color`, or NO_COLOR) nothing is bold or dim either."""
    plain: dict[str, Any] = {"stderr": stderr, "highlight": False, "markup": False, "emoji": False}
    found = Screen(no_color=no_color or None, **plain)
    return Screen(color_system=None, **plain) if found.no_color else found
