"""The head of the bars: when a column was."""

from __future__ import annotations

from vedette.cli.waterfall.glyphs import Glyphs
from vedette.cli.waterfall.scale import Scale
from vedette.cli.waterfall.took import moment, took


def axis(scale: Scale, glyphs: Glyphs) -> tuple[str, str]:
    """Return two lines of `scale.columns`: the moments, and a rule with their marks."""
    above, rule = [" "] * scale.columns, [glyphs.through] * scale.columns
    for pause in scale.pauses:
        said = f"{glyphs.skip} {took(pause.duration_s)}"
        centre = scale.centre(pause)
        rule[centre] = glyphs.skip
        _write(above, centre - len(said) // 2, said)
    step_s, marks = scale.marks()
    for at_s in marks:
        place = min(int(scale.at(at_s)), scale.columns - 1)
        if _write(above, place, moment(at_s, step_s)):
            rule[place] = glyphs.tick
    return "".join(above), "".join(rule)


def _write(line: list[str], place: int, said: str) -> bool:
    """Write where there is room, with a column free on each side. Returns whether there was."""
    place = max(place, 0)
    around = line[max(place - 1, 0) : place + len(said) + 1]
    if place + len(said) > len(line) or "".join(around).strip():
        return False
    line[place : place + len(said)] = said
    return True
