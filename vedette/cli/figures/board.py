"""The screen of `vedette stats`: how many ended and how, when, how long the stages took, what waits for somebody."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from vedette.cli import live, words
from vedette.cli.figures import tables
from vedette.cli.figures.asked import ENDS, Figures
from vedette.cli.figures.course import LABEL, course
from vedette.cli.figures.window import Window
from vedette.cli.waterfall.fold import fold
from vedette.cli.words import Marks

LEAST = 40  # columns
NUMBERS = 18  # behind it
WIDEST = 40  # of a bar


def board(found: Figures, window: Window, width: int, signs: Marks) -> list[Text]:
    """Return the lines, of at most `width` columns, or LEAST where that is less."""
    room = max(width, LEAST)
    blocks = [
        [*_head(found, window, room, signs), *_outcomes(found, room, signs)],
        list(course(found, room, signs)),
        tables.stages(found.stages, room),
        tables.kinds(found.kinds, room),
        _letters(found, room, signs),
    ]
    lines: list[Text] = []
    for block in blocks:
        lines += [Text(), *block] if block and lines else block
    return lines


def _head(found: Figures, window: Window, width: int, signs: Marks) -> list[Text]:
    """`Last 24 h · 412 jobs ended · success 94.2 % · 3 running · 2 queued`"""
    ended, rate = found.overview.finished, found.overview.success_rate
    told = f"{words.plural(ended, 'jobs')} ended" if ended else "no job ended"
    facts = [Text(f"Last {window.name}", "bold"), Text(told)]
    if rate is not None:
        facts.append(Text(f"success {words.share(rate)}", "green" if rate == 1 else "yellow"))
    for state, count in found.overview.states.items():
        if count and not state.is_terminal:
            facts.append(Text(f"{count} {state}", words.STATE_STYLES.get(state, "")))
    return fold(facts, width, joint=f" {signs.dot} ", indent=2)


def _outcomes(found: Figures, width: int, signs: Marks) -> Iterator[Text]:
    counts = {state: sum(bucket.states.get(state, 0) for bucket in found.series) for state in ENDS}
    total = sum(counts.values())
    for state, count in counts.items():
        if count:
            line = Text.assemble((f"  {state:<{LABEL - 2}}", words.STATE_STYLES.get(state, "")))
            line.append_text(live.bar(count, total, signs, width=min(width - LABEL - NUMBERS, WIDEST)))
            yield line.append(f"{count:>9}  {words.share(count / total):>7}".rstrip())


def _letters(found: Figures, width: int, signs: Marks) -> list[Text]:
    """`Dead letters  7 wait · 4 external · 3 permanent · the oldest for 3 h`"""
    letters = found.dead_letters
    if not letters.open:
        return [Text("No dead letter waits for somebody.", "dim")]
    facts = [Text.assemble(("Dead letters", "bold"), "  ", (f"{letters.open} open", "red"))]
    by_class = sorted(letters.by_class.items(), key=lambda each: (-each[1], each[0]))
    facts += [Text(words.line(f"{count} {name}")) for name, count in by_class]
    if letters.oldest_open_at:
        oldest_s = (found.as_of - letters.oldest_open_at).total_seconds()
        facts.append(Text(f"the oldest for {words.age(oldest_s)}", "dim"))
    return fold(facts, width, joint=f" {signs.dot} ", indent=2)
