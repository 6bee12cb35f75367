"""The layout for paper: the same content, with raw evidence shortened, and said so."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from services.report.entries import Entry
from services.report.exhibits import Exhibit
from services.report.glyphs import drawable
from services.report.layout import Layout
from services.report.weaknesses import Place, Weakness

EXHIBIT = 1200  # characters of a piece of evidence that is not in the annex
PER_FINDING = 3  # pieces of evidence
WHOLE = 4096  # characters of a piece in the annex: as much as is captured
ANNEX = 60_000  # characters of the whole annex, about 25 pages
FULL = 400  # findings described in full; the others, which are no worse, are listed


def data(layout: Layout) -> str:
    """Return the layout as JSON, in characters that the fonts can draw."""
    annex, left_out = _annex(layout.annex)
    held = len(annex)
    groups = [replace(each, weaknesses=_described(each.weaknesses, FULL, held)) for each in layout.groups]
    brief = {each.severity: [asdict(_bare(e)) for e in each.entries if e.number > FULL] for each in layout.groups}
    changed = [replace(each, places=[replace(p, entry=_bare(p.entry)) for p in each.places]) for each in layout.changed]
    fixed, standing = (_described(earlier, _limit(earlier), held) for earlier in (layout.fixed, layout.standing))
    short = replace(layout, groups=groups, annex=annex, changed=changed, fixed=fixed, standing=standing)
    # Characters without a glyph are no JSON syntax, so they can be replaced after the dump.
    return drawable(
        json.dumps(asdict(short) | {"left_out": left_out, "brief": brief, "full": FULL}, ensure_ascii=False)
    )


def _limit(earlier: list[Weakness]) -> int:
    """The number of the last finding of an earlier scan that is described."""
    return earlier[0].entries[0].number + FULL - 1 if earlier else 0


def _described(weaknesses: list[Weakness], last: int, held: int) -> list[Weakness]:
    """Return the findings up to number `last`. The annex ends with the exhibit `held`."""
    kept = [
        replace(each, places=[_shortened(place, held) for place in each.places if place.entry.number <= last])
        for each in weaknesses
    ]
    return [each for each in kept if each.places]


def _bare(entry: Entry) -> Entry:
    return replace(entry, evidence=[])


def _shortened(place: Place, held: int) -> Place:
    evidence = [_behind(piece, held) for piece in place.entry.evidence[:PER_FINDING]]
    return replace(place, entry=replace(place.entry, evidence=evidence))


def _behind(piece: Exhibit, held: int) -> Exhibit:
    """A piece that the annex holds is shown by its head; any other must be shown here."""
    return piece if 0 < piece.number <= held else _cut(replace(piece, number=0, head=""), EXHIBIT)


def _cut(piece: Exhibit, limit: int) -> Exhibit:
    if len(piece.text) <= limit:
        return piece
    return replace(piece, text=piece.text[:limit] + "…", note="shortened here; whole in the JSON report")


def _annex(exhibits: list[Exhibit]) -> tuple[list[Exhibit], int]:
    """Return what fits into the annex, and how many pieces do not."""
    kept: list[Exhibit] = []
    room = ANNEX
    for piece in exhibits:
        short = _cut(piece, WHOLE)
        room -= len(short.text)
        if room < 0:
            break
        kept.append(short)
    return kept, len(exhibits) - len(kept)
