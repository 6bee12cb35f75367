"""The layout for paper: the same content, with raw evidence shortened, and said so."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from services.report.entries import Entry, Exhibit
from services.report.glyphs import drawable
from services.report.layout import Layout

EXHIBIT = 1200  # characters of one piece of evidence
PER_FINDING = 3  # pieces of evidence
ANNEX = 60_000  # characters of the whole annex, about 25 pages
FULL = 400  # findings described in full; the others, which are no worse, are listed


def data(layout: Layout) -> str:
    """Return the layout as JSON, in characters that the fonts can draw."""
    groups = [replace(group, entries=_described(group.entries)) for group in layout.groups]
    brief = {group.severity: [asdict(e) for e in group.entries if e.number > FULL] for group in layout.groups}
    annex, left_out = _annex(layout.annex)
    fixed, standing = ([_shortened(entry) for entry in entries[:FULL]] for entries in (layout.fixed, layout.standing))
    short = replace(layout, groups=groups, annex=annex, fixed=fixed, standing=standing)
    # Characters without a glyph are no JSON syntax, so they can be replaced after the dump.
    return drawable(
        json.dumps(asdict(short) | {"left_out": left_out, "brief": brief, "full": FULL}, ensure_ascii=False)
    )


def _described(entries: list[Entry]) -> list[Entry]:
    return [_shortened(entry) for entry in entries if entry.number <= FULL]


def _shortened(entry: Entry) -> Entry:
    return replace(entry, evidence=[_cut(piece) for piece in entry.evidence[:PER_FINDING]])


def _cut(piece: Exhibit) -> Exhibit:
    if len(piece.text) <= EXHIBIT:
        return piece
    return replace(piece, text=piece.text[:EXHIBIT] + "…", note="shortened here; whole in the JSON report")


def _annex(exhibits: list[Exhibit]) -> tuple[list[Exhibit], int]:
    """Return what fits into the annex, and how many pieces do not."""
    kept: list[Exhibit] = []
    room = ANNEX
    for piece in exhibits:
        short = _cut(piece)
        room -= len(short.text)
        if room < 0:
            break
        kept.append(short)
    return kept, len(exhibits) - len(kept)
