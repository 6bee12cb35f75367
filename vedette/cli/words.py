"""How things are said in a terminal: marks, times, counts, and texts of strangers made harmless."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

SEVERITIES = ("critical", "high", "medium", "low", "info")
SEVERITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
STATE_STYLES = {
    **dict.fromkeys(("succeeded",), "green"),
    **dict.fromkeys(("partial", "retrying", "cancelling"), "yellow"),
    **dict.fromkeys(("failed", "dead"), "red"),
    **dict.fromkeys(("running",), "cyan"),
    **dict.fromkeys(("scheduled", "queued", "cancelled", "skipped", "pending"), "dim"),
}


@dataclass(frozen=True)
class Marks:
    """The signs in front of lines, and what stands between facts."""

    done: str = "✓"
    failed: str = "✗"
    partial: str = "!"
    waiting: str = "○"
    running: str = "▸"
    again: str = "↻"
    skipped: str = "–"
    dot: str = "·"
    more: str = "…"


UNICODE = Marks()
ASCII = Marks(done="ok", failed="x", waiting=".", running=">", again="~", skipped="-", dot="-", more="...")
_PLAIN = str.maketrans({"·": "-", "…": "...", "–": "-", "—": "-", "’": "'", "‹": "<", "›": ">"})


def marks(stream: IO[str]) -> Marks:
    """Return signs that `stream` can show, by its encoding: logs and pipes of UTF-8 get the same as terminals."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    return UNICODE if encoding.startswith("utf") else ASCII


def fitting(text: str, signs: Marks) -> str:
    """Return `text` with our own punctuation in ASCII where the stream is a plain one."""
    return text.translate(_PLAIN) if signs is ASCII else text


# C0 but tab and line feed, C1, and what is invisible or turns the direction: none of it may reach a terminal.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)


def harmless(text: str) -> str:
    """Return `text` with every control and hidden character made visible, e.g. ‹1B›."""
    return _HIDDEN.sub(lambda found: f"‹{ord(found[0]):02X}›", text)


def line(text: str) -> str:
    """Return `text` harmless and in one line."""
    return harmless(" ".join(text.split()))


def seconds(value: float | None) -> str:
    """Return a duration as people say it: `0.1 s`, `42 s`, `3 m 05 s`, `2 h 10 m`. None is nothing."""
    if value is None:
        return ""
    if value < 60:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def age(value: float | None) -> str:
    """Return an age in one unit: `4 s`, `3 m`, `2 h`, `5 d`. None is nothing."""
    if value is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if value >= size:
            return f"{int(value // size)} {unit}"
    return f"{max(int(value), 0)} s"


def counts(severities: Mapping[str, int], signs: Marks) -> str:
    """Return e.g. `1 critical · 3 high`, worst first, or `no findings`."""
    said = [f"{severities[name]} {name}" for name in SEVERITIES if severities.get(name)]
    return f" {signs.dot} ".join(said) or "no findings"


def share(part: float) -> str:
    """Return 0.942 as `94.2 %`. It is cut, not rounded: what is not all is never `100 %`."""
    tenths = int(1000 * part + 1e-9)
    return f"{tenths / 10:.1f} %" if tenths % 1000 else f"{tenths // 10} %"


def plural(count: int, things: str) -> str:
    """`1 port`, `2 ports`: `things` is the plural."""
    return f"{count} {things.removesuffix('s') if count == 1 else things}"


def wrapped(text: str, stream: IO[str]) -> str:
    """Return `text` broken between words where `stream` is a terminal that is too narrow for it."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_folded(each, width) if len(each) > width else each for each in text.split("\n"))


def _folded(text: str, width: int) -> str:
    indent = " " * (len(text) - len(text.lstrip(" ")))
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def folded(text: str, width: int) -> list[tuple[int, str]]:
    """Return `text` broken between words, its lines numbered from 0; one line at least."""
    return list(enumerate(textwrap.wrap(text, max(width, 1), break_on_hyphens=False) or [""]))


def short(identifier: str) -> str:
    """Return the end of an id that people are shown: the beginning is the clock, the end is random."""
    return line(identifier)[-8:]
