"""What a terminal shows, as a picture."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from shared.contracts.trace import Trace
from vedette.cli.waterfall import Waterfall, glyphs

WIDTH = 100  # columns
FOREIGN_FONT = re.compile(r"\s*@font-face \{[^}]*\}")  # is fetched from elsewhere; whoever looks has a monospaced one


def save(file: Path, command: str, trace: Trace) -> None:
    """Write the picture of a trace, below the command that shows it."""
    console = Console(
        file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    for line in Waterfall(trace, WIDTH, glyphs.UNICODE).lines():
        console.print(line, soft_wrap=True)
    drawn = console.export_svg(title="vedette", theme=SVG_EXPORT_THEME, unique_id=file.stem)
    file.write_text(FOREIGN_FONT.sub("", drawn), encoding="utf-8")
