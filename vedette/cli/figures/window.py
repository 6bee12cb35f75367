"""Of which time statistics are asked for, and in which intervals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.statistics import Interval
from vedette.cli.failure import Misused

LONGEST_H = 24 * 90  # hours; the gateway tells of no more
STEPS = {Interval.MINUTE: timedelta(minutes=1), Interval.HOUR: timedelta(hours=1), Interval.DAY: timedelta(days=1)}
_PERIOD = re.compile("([1-9][0-9]{0,3})([hd])")
_BY_MINUTE_H, _BY_HOUR_H = 3, 72  # up to so many hours, where nothing else is asked for


@dataclass(frozen=True)
class Window:
    """The last `hours`, piece by piece."""

    hours: int
    every: Interval

    @property
    def name(self) -> str:
        """`24 h`, `7 d`: in days where they are whole and more than two."""
        return f"{self.hours} h" if self.hours <= 48 or self.hours % 24 else f"{self.hours // 24} d"

    def moments(self, now: datetime) -> list[datetime]:
        """Return when each interval begins, oldest first; the first and the last are not whole."""
        at, found = _begin(now - timedelta(hours=self.hours), self.every), list[datetime]()
        while at <= now:
            found.append(at)
            at += STEPS[self.every]
        return found


def window(since: str, by: str | None) -> Window:
    """Return the window of `--since 7d --by hour`. Raises Misused."""
    found = _PERIOD.fullmatch(since.strip().lower())
    hours = int(found[1]) * (24 if found[2] == "d" else 1) if found else 0
    if not 1 <= hours <= LONGEST_H:
        cure = f"Write whole hours or days, like 12h or 7d; {LONGEST_H // 24}d at most."
        raise Misused(f"--since {since[:40]!r} is no time that statistics reach back.", cure=cure)
    return Window(hours, Interval(by) if by else _suiting(hours))


def _suiting(hours: int) -> Interval:
    if hours <= _BY_MINUTE_H:
        return Interval.MINUTE
    return Interval.HOUR if hours <= _BY_HOUR_H else Interval.DAY


def _begin(at: datetime, every: Interval) -> datetime:
    whole = at.replace(second=0, microsecond=0)
    if every is not Interval.MINUTE:
        whole = whole.replace(minute=0)
    return whole.replace(hour=0) if every is Interval.DAY else whole
