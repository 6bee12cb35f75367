"""One row's bar: where on the axis a span was, and what it was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from shared.contracts.job import StageName
from shared.contracts.trace import Gap, Segment, Span, SpanState, Stretch
from vedette.cli.waterfall.glyphs import Glyphs
from vedette.cli.waterfall.scale import Scale
from vedette.cli.waterfall.took import took

ROOM = 2  # columns between a bar and what is said beside it
_STAGES = {
    StageName.SCAN: "cyan",
    StageName.PROCESS: "blue",
    StageName.REPORT: "magenta",
    StageName.NOTIFY: "green",
}
_SEGMENTS = {Segment.WAIT: "yellow", Segment.BACKOFF: "yellow", Segment.JOB: "bright_black"}


def bar(span: Span, marked: Sequence[Stretch | Gap], scale: Scale, glyphs: Glyphs) -> Text:
    """Return the bar of a span in `scale.columns` columns. marked: its part of the critical path; of a job, gaps."""
    began, ended = scale.at(span.start_s), scale.at(span.start_s + max(span.duration_s, 0.0))
    first, last = _cells(began, ended, scale.columns)
    cells = [" "] * scale.columns
    cells[first:last] = _fill(span, first, last, glyphs)
    if span.segment is Segment.JOB:
        _put(cells, glyphs.gap, _gaps(marked, scale), range(first + 1, last - 1))
    elif _is_work(span):
        _put(cells, glyphs.critical, _critical(marked, scale), range(first, last))
        if cells[last - 1] == glyphs.critical:
            cells[last - 1] = _part(began, ended, last, glyphs)
    _put(cells, glyphs.skip, map(scale.centre, scale.pauses), range(first + 1, last - 1))
    _end(cells, span, last, glyphs)
    return _beside(Text("".join(cells), style(span)), span, first, glyphs)


def style(span: Span) -> str:
    """Return the colour of a span: that of its stage, red where it failed; bold on the critical path."""
    if span.error or span.state in {SpanState.ERROR, SpanState.LOST}:
        colour = "red"
    elif span.segment in _SEGMENTS:
        colour = _SEGMENTS[span.segment]
    else:
        colour = _STAGES.get(span.stage, "white") if span.stage else "white"
    return f"bold {colour}" if span.is_critical and span.segment is not Segment.JOB else colour


def _cells(began: float, ended: float, columns: int) -> tuple[int, int]:
    """Return the columns of a bar, the last exclusive: one at least."""
    first = min(int(began + 0.5), int(ended), columns - 1)
    last = min(max(first + 1, int(ended + 0.5)), columns)
    return first, last


def _is_work(span: Span) -> bool:
    return span.segment not in {Segment.JOB, Segment.WAIT, Segment.BACKOFF} and span.state is not SpanState.LOST


def _fill(span: Span, first: int, last: int, glyphs: Glyphs) -> list[str]:
    if span.state is SpanState.LOST:
        return [glyphs.lost] * (last - first)
    if span.segment is Segment.JOB:
        ends = [glyphs.first, *[glyphs.through] * (last - first - 2), glyphs.last]
        return ends[: last - first]
    drawn = {Segment.WAIT: glyphs.wait, Segment.BACKOFF: glyphs.backoff}.get(span.segment, glyphs.beside)
    return [drawn] * (last - first)


def _put(cells: list[str], sign: str, places: Iterable[int], within: range) -> None:
    for place in places:
        if place in within:
            cells[place] = sign


def _gaps(gaps: Sequence[Stretch | Gap], scale: Scale) -> Iterator[int]:
    """Yield the columns in which nothing else was."""
    for gap in gaps:
        yield from range(math.ceil(scale.at(gap.start_s)), int(scale.at(gap.start_s + gap.duration_s)))


def _critical(path: Sequence[Stretch | Gap], scale: Scale) -> Iterator[int]:
    for stretch in path:
        yield from range(
            *_cells(scale.at(stretch.start_s), scale.at(stretch.start_s + stretch.duration_s), scale.columns)
        )


def _part(began: float, ended: float, last: int, glyphs: Glyphs) -> str:
    """Return how the last block of a bar looks, of which only the left may be filled."""
    if len(glyphs.eighths) == 1 or ended >= last:
        return glyphs.critical
    since = max(began, float(last - 1))
    return glyphs.eighths[min(max(round((ended - since) * len(glyphs.eighths)), 1), len(glyphs.eighths) - 1)]


def _end(cells: list[str], span: Span, last: int, glyphs: Glyphs) -> None:
    """Put a sign where a span failed, or goes on."""
    if span.state is SpanState.LIVE:
        cells[last - 1] = glyphs.live
    elif span.state is SpanState.ERROR and span.segment is not Segment.JOB:
        cells[min(last, len(cells) - 1)] = glyphs.failed


def _beside(drawn: Text, span: Span, first: int, glyphs: Glyphs) -> Text:
    """Say of a group how long its members took, where there is room right of the bar, or left."""
    if not span.group or span.group.count < 2:
        return drawn
    said = f"{took(span.group.min_s)} {glyphs.to} {took(span.group.max_s)} each"
    columns, taken = len(drawn.plain), len(drawn.plain.rstrip()) + ROOM
    if taken + len(said) <= columns:
        return Text.assemble(drawn[:taken], (said, "dim"), " " * (columns - taken - len(said)))
    if len(said) + ROOM <= first:
        at = first - ROOM - len(said)
        return Text.assemble(" " * at, (said, "dim"), " " * ROOM, drawn[first:])
    return drawn
