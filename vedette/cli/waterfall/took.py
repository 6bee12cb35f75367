"""Durations and moments of a trace, from microseconds to days."""

from __future__ import annotations

from vedette.cli import words

HOUR = 3600.0
_STEPS = (1.0, 2.0, 5.0)
_LONG = (60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 43200.0, 86400.0)


def took(value_s: float) -> str:
    """`0.4 ms`, `340 ms`, `1.42 s`, `14.2 s`, `3 m 05 s`, `4 d 02 h`: nine characters at most."""
    value_s = max(value_s, 0.0)
    if value_s < 0.00995:
        return f"{value_s * 1000:.1f} ms"
    if value_s < 0.9995:
        return f"{value_s * 1000:.0f} ms"
    if value_s < 9.995:
        return f"{value_s:.2f} s"
    if value_s < 59.95:
        return f"{value_s:.1f} s"
    return words.seconds(max(value_s, 60.0)) if value_s < 99 * HOUR else _days(value_s)


def step(least_s: float) -> float:
    """Return the next round number of seconds from `least_s` on, to put marks on an axis at."""
    power = 1e-6
    while power < 100:
        for factor in _STEPS:
            if factor * power >= least_s and factor * power < 60:
                return factor * power
        power *= 10
    return next((each for each in _LONG if each >= least_s), 86400.0 * (least_s // 86400 + 1))


def moment(at_s: float, step_s: float) -> str:
    """Return a mark of an axis as exact as its steps: `0`, `250 ms`, `1.5 s`, `2 m 30 s`."""
    if at_s < step_s / 2:
        return "0"
    if at_s < 60:
        if step_s < 0.1 and at_s < 1:
            return f"{at_s * 1000:.3f}".rstrip("0").rstrip(".") + " ms"
        return f"{at_s:.6f}".rstrip("0").rstrip(".") + " s"
    minutes, rest = divmod(at_s, 60)
    if at_s >= 99 * HOUR:
        return _days(at_s)
    if minutes >= 60:
        return f"{int(minutes // 60)} h {int(minutes % 60):02d} m"
    return f"{int(minutes)} m" if rest < step_s / 2 else f"{int(minutes)} m {rest:02.0f} s"


def _days(value_s: float) -> str:
    days, hours = divmod(value_s // HOUR, 24)
    if days < 100:
        return f"{days:.0f} d {hours:02.0f} h"
    return f"{days:.0f} d" if days < 1000 else "> 999 d"
