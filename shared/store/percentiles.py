"""Averages and percentiles (nearest rank) that both databases compute alike."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, RowMapping, func

MEASURES = ("average_s", "p50_s", "p95_s")


def share(value: ColumnElement[float], within: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return how many of those with the same `within` have this value or less, from 0 to 1."""
    return func.cume_dist().over(partition_by=within, order_by=value)


def measures(of: FromClause, value: str) -> list[ColumnElement[float | None]]:
    """Return the measures of a column that has its `share` beside it, named as in `took`."""
    seconds, its_share = of.c[value], of.c[f"{value}_share"]
    found = [func.avg(seconds), *(func.min(seconds).filter(its_share >= least) for least in (0.5, 0.95))]
    return [measure.label(f"{value}_{name}") for name, measure in zip(MEASURES, found, strict=True)]


def took(row: RowMapping, value: str) -> dict[str, float | None]:
    """Return the measures in a row, to the millisecond; null where there were no values."""
    found = {name: row[f"{value}_{name}"] for name in MEASURES}
    return {name: None if seconds is None else round(float(seconds), 3) for name, seconds in found.items()}
