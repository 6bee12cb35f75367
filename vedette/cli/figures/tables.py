"""Stages and kinds as tables, with as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.text import Text

from shared.contracts.statistics import KindFigures, StageFigures
from vedette.cli import grid, words
from vedette.cli.waterfall.took import took

MOST = 5  # kinds that are shown
Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """spared: those with the greatest number are left out first where there is no room; none of 0."""

    heading: str
    tell: Callable[[Row], str]
    spared: int = 0
    style: str = ""


STAGES: tuple[Column[StageFigures], ...] = (
    Column("stage", lambda each: each.stage),
    Column("runs", lambda each: str(each.runs)),
    Column("failed", lambda each: _some(each.failed), 1, "red"),
    Column("retries", lambda each: _some(each.retries), 4, "yellow"),
    Column("lost", lambda each: _some(each.lost), 5, "yellow"),
    Column("run avg", lambda each: _time(each.ran.average_s), 3),
    Column("run p95", lambda each: _time(each.ran.p95_s)),
    Column("wait avg", lambda each: _time(each.waited.average_s), 6),
    Column("wait p95", lambda each: _time(each.waited.p95_s), 2),
)
KINDS: tuple[Column[KindFigures], ...] = (
    Column("kind", lambda each: words.line(each.kind)),
    Column("profile", lambda each: words.line(each.profile)),
    Column("jobs", lambda each: str(sum(each.states.values()))),
    Column("success", lambda each: "" if each.success_rate is None else words.share(each.success_rate), 1),
    Column("avg", lambda each: _time(each.average_s), 2),
    Column("p95", lambda each: _time(each.p95_s)),
)
_TEXTS = {"stage", "kind", "profile"}


def stages(found: Sequence[StageFigures], width: int) -> list[Text]:
    """Return a line for each stage below headings, or nothing where none ran."""
    return _lines(STAGES, found, width)


def kinds(found: Sequence[KindFigures], width: int) -> list[Text]:
    """Return a line for each of the busiest kinds of target and profiles, and how many others there are."""
    lines = _lines(KINDS, found[:MOST], width)
    if len(found) > MOST:
        lines.append(Text(f"and {len(found) - MOST} more", "dim"))
    return lines


def _lines(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> list[Text]:
    if not rows:
        return []
    told = [column for column in columns if any(column.tell(row) for row in rows)]
    lines = _drawn(told, rows)
    for column in sorted((each for each in told if each.spared), key=lambda each: -each.spared):
        if max(line.cell_len for line in lines) <= width:
            break
        told.remove(column)
        lines = _drawn(told, rows)
    return lines


def _drawn(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> list[Text]:
    headings = [column.heading for column in columns]
    cells = [[Text(column.tell(row), column.style) for column in columns] for row in rows]
    return grid.lines(headings, cells, numbers=set(headings) - _TEXTS)


def _some(count: int) -> str:
    return str(count) if count else ""


def _time(value_s: float | None) -> str:
    return "" if value_s is None else took(value_s)
