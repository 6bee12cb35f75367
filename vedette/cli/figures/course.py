"""How the figures went over time: a line of bars for each, with the time below them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from shared.contracts.job import JobState
from shared.contracts.statistics import Interval
from vedette.cli.figures.asked import Figures
from vedette.cli.figures.spark import pieces, spark
from vedette.cli.waterfall.took import took
from vedette.cli.words import Marks

LABEL = 13  # columns of what stands in front of bars
SAID = 20  # columns behind them, where there is room for it
ROOMY = 60  # columns
_BAD = (JobState.FAILED, JobState.DEAD)
_UNITS = {Interval.MINUTE: "m", Interval.HOUR: "h", Interval.DAY: "d"}
_FORMS = {Interval.MINUTE: "%H:%M", Interval.HOUR: "%a %H:%M", Interval.DAY: "%d %b"}


def course(found: Figures, width: int, signs: Marks) -> Iterator[Text]:
    """Yield a line for those that ended, for those that failed if any did, and for how long the slow ones took."""
    room = width - LABEL - (SAID if width >= ROOMY else 0)
    ended = pieces([float(sum(bucket.states.values())) for bucket in found.series], room, sum)
    failed = pieces([float(sum(bucket.states.get(bad, 0) for bad in _BAD)) for bucket in found.series], room, sum)
    slow = pieces([bucket.p95_s or 0.0 for bucket in found.series], room, max)
    piece = f"{-(-len(found.series) // room)} {_UNITS[found.every]}"
    lines = (
        ("ended", ended, "cyan", f"up to {max(ended):.0f} in {piece}"),
        ("failed", failed, "red", f"up to {max(failed):.0f} in {piece}"),
        ("p95", slow, "yellow", f"up to {took(max(slow))}"),
    )
    for label, values, style, said in lines:
        if any(values):
            bars = Text.assemble(f"  {label:<{LABEL - 2}}", spark(values, room, signs, style))
            yield bars.append(f"  {said}", "dim") if width >= ROOMY else bars
    if any(ended):
        yield _axis(found, spark(ended, room, signs).cell_len)


def _axis(found: Figures, length: int) -> Text:
    """Return when the bars begin, below the first, and below the last that they reach until now."""
    first = f"{found.series[0].at:{_FORMS[found.every]}} UTC"
    return Text(f"{' ' * LABEL}{first}{'now':>{max(length - len(first), 4)}}", "dim")
