"""The whole of a waterfall, put together for a width."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from shared.contracts.trace import Gap, Segment, Span, SpanError, Stretch, Trace
from vedette.cli.waterfall import head
from vedette.cli.waterfall.axis import axis
from vedette.cli.waterfall.bar import bar
from vedette.cli.waterfall.fold import fold, spelled
from vedette.cli.waterfall.glyphs import Glyphs
from vedette.cli.waterfall.label import label, remarks
from vedette.cli.waterfall.outline import Line, outline
from vedette.cli.waterfall.scale import Scale, pauses
from vedette.cli.waterfall.took import took

LEAST = 40  # columns
NAMES = 0.4  # of the width, at most
DURATION = 9  # columns
MARGIN = 3  # columns: the mark, and what is left free about the name


@dataclass(frozen=True)
class Waterfall:
    """How a trace is drawn.

    width: columns, `LEAST` at least.  is_whole: every span in a row.
    is_even: long quiet times are drawn as long as they were.
    """

    trace: Trace
    width: int
    glyphs: Glyphs
    is_whole: bool = False
    is_even: bool = False

    def lines(self) -> list[Text]:
        """Return all of it, each line at most `width` columns."""
        return [line for part in self.parts() for line in part]

    def parts(self) -> tuple[list[Text], list[Text], list[Text]]:
        """Return what stands above the rows, the rows, and what stands below them."""
        rows = outline(self.trace, self.glyphs, is_whole=self.is_whole)
        short = [] if self.is_even else pauses(self.trace)
        names = [label(row, self.trace, self.glyphs) for row in rows]
        wide = min(max((name.cell_len for name in names), default=0), int(self.width * NAMES))
        scale = Scale(self.trace.duration_s, self.width - wide - MARGIN - DURATION, short)
        above = [*head.heads(self.trace, self.glyphs, self.width), Text(), *self._axis(scale, wide)]
        below = [Text(), *head.legend(self.trace, rows, self.glyphs, self.width, is_short=bool(short))]
        return above, list(self._rows(rows, names, scale, wide)), below

    def nexts(self) -> list[tuple[str, str]]:
        """Return what to do next: what for, and the command."""
        rows = outline(self.trace, self.glyphs, is_whole=self.is_whole)
        return head.nexts(self.trace, rows, is_whole=self.is_whole)

    def _axis(self, scale: Scale, wide: int) -> Iterator[Text]:
        for line in axis(scale, self.glyphs):
            yield Text(" " * (wide + MARGIN) + line, "bright_black")

    def _rows(self, rows: list[Line], names: list[Text], scale: Scale, wide: int) -> Iterator[Text]:
        marked = defaultdict[str, list[Stretch | Gap]](list)
        for stretch in self.trace.critical_path:
            marked[stretch.span_id].append(stretch)
        marked |= {span.id: list(self.trace.gaps) for span in self.trace.spans if span.segment is Segment.JOB}
        errors: dict[str, SpanError | None] = {}
        for row, name in zip(rows, names, strict=True):
            span = row.span
            name = _cut(name, wide, self.glyphs)  # noqa: PLW2901
            if span is None:
                yield Text.assemble("  ", name)
                continue
            mark = self.glyphs.mark if span.is_critical else " "
            drawn = bar(span, marked[span.id], scale, self.glyphs)
            yield Text.assemble((f"{mark} ", "bold"), name, " ", drawn, (f"{took(span.duration_s):>{DURATION}}", "dim"))
            errors[span.id] = None if span.segment is Segment.JOB else span.error  # a job's is told where it arose
            if span.error is None or errors.get(span.parent_id or "") != span.error:  # else it was told above
                yield from self._remarks(row, span)

    def _remarks(self, row: Line, span: Span) -> Iterator[Text]:
        lead = Text.assemble("  ", (row.below, "bright_black"))
        for remark in remarks(span, self.glyphs):
            for line in fold(spelled(remark), self.width - lead.cell_len, indent=2):
                yield Text.assemble(lead, line)


def _cut(name: Text, wide: int, glyphs: Glyphs) -> Text:
    if name.cell_len > wide:
        name.truncate(wide - 1, overflow="crop")
        name.append(glyphs.more)
    name.pad_right(wide - name.cell_len)
    return name
