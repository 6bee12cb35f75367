"""Which rows of a trace are drawn, and how they hang together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.contracts.trace import Segment, Span, SpanState, Trace
from vedette.cli.waterfall.glyphs import Glyphs

MOST = 8  # rows of inner work below one
_STEPS = frozenset({Segment.JOB, Segment.REQUEST, Segment.WAIT, Segment.BACKOFF, Segment.RUN})


@dataclass(frozen=True)
class Line:
    """One row. span: None where it stands for `hidden` ones, which took `hidden_s` together.

    lead: the lines of the tree left of it.  below: those left of what hangs under it.
    is_one_of: other attempts at the same are drawn, so that its number matters.
    """

    span: Span | None
    lead: str = ""
    below: str = ""
    is_one_of: bool = False
    hidden: int = 0
    hidden_s: float = 0.0


def outline(trace: Trace, glyphs: Glyphs, *, is_whole: bool) -> list[Line]:
    """Return the rows from the top down. Without `is_whole`, sendings and most of much inner work are left out."""
    children = _children(trace.spans)
    often = Counter(_step(span) for span in trace.spans if span.segment is Segment.RUN)
    return list(_walk(children, often, glyphs, is_whole=is_whole))


def hidden(trace: Trace, lines: Sequence[Line]) -> int:
    """Return how many spans have no row, and are in none of a group."""
    drawn = sum(line.span.group.count if line.span.group else 1 for line in lines if line.span)
    return max(trace.totals.spans - drawn, 0)


def _walk(
    children: Mapping[str, Sequence[Span]], often: Mapping[object, int], glyphs: Glyphs, *, is_whole: bool
) -> Iterator[Line]:
    ahead: list[tuple[Line, str]] = [*reversed(_lines(children[""], "", glyphs, is_whole=is_whole))]
    while ahead:
        line, below = ahead.pop()
        if line.span is None:
            yield line
            continue
        is_one_of = line.span.segment is not Segment.WORK and often[_step(line.span)] > 1
        inner = _lines(children.get(line.span.id, ()), below, glyphs, is_whole=is_whole)
        yield Line(line.span, line.lead, below + (glyphs.stem if inner else "  "), is_one_of=is_one_of)
        ahead += reversed(inner)


def _lines(spans: Sequence[Span], lead: str, glyphs: Glyphs, *, is_whole: bool) -> list[tuple[Line, str]]:
    """Return rows that are siblings, each with what is left of those below it."""
    shown = list(spans) if is_whole else _worth(spans)
    known = {span.id for span in shown}
    left = [span for span in spans if span.id not in known and span.segment is not Segment.SEND]
    made: list[tuple[Line, str]] = []
    for place, span in enumerate(shown):
        if span.depth == 0:
            made.append((Line(span), ""))
            continue
        is_last = place == len(shown) - 1 and not left
        made.append(
            (Line(span, lead + (glyphs.corner if is_last else glyphs.branch)), lead + (_under(glyphs, is_last)))
        )
    if left:
        count = sum(span.group.count if span.group else 1 for span in left)
        together_s = sum(span.group.total_s if span.group else span.duration_s for span in left)
        made.append((Line(None, lead + glyphs.corner, hidden=count, hidden_s=together_s), ""))
    return made


def _under(glyphs: Glyphs, is_last: bool) -> str:
    return "  " if is_last else glyphs.stem


def _worth(spans: Sequence[Span]) -> list[Span]:
    """Return what is drawn of siblings: every step; of other work what went wrong, mattered, or took longest."""
    shown = [span for span in spans if span.segment is not Segment.SEND or span.state is not SpanState.OK]
    inner = [span for span in shown if span.segment not in _STEPS]
    if len(inner) <= MOST:
        return shown
    ranked = sorted(inner, key=lambda span: (span.state is SpanState.OK, not span.is_critical, -span.duration_s))
    kept = {span.id for span in ranked[:MOST]}
    return [span for span in shown if span.segment in _STEPS or span.id in kept]


def _children(spans: Sequence[Span]) -> Mapping[str, list[Span]]:
    """Return the spans by their parent's id; what has none that is known hangs on nothing."""
    known = {span.id for span in spans}
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.parent_id if span.parent_id in known and span.parent_id else ""].append(span)
    return found


def _step(span: Span) -> object:
    return span.job_id, span.stage, span.part
