"""Numbers, times and lists in English, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite

from shared.contracts.finding import ChangeState, Confidence
from shared.contracts.observation import GapReason

MINUS = "−"
NOTHING = "–"

CONFIDENCES = {
    Confidence.CERTAIN: "certain: proven by the evidence",
    Confidence.LIKELY: "likely: the target says so itself",
    Confidence.POSSIBLE: "possible: inferred, please confirm",
}
CHANGES = {
    ChangeState.NEW: "new",
    ChangeState.UNCHANGED: "unchanged",
    ChangeState.REOPENED: "came back",
    ChangeState.FIXED: "gone",
    ChangeState.STANDING: "not checked again",
}
GAPS = {
    GapReason.FILTERED: ("filtered", "No answer at all. A firewall dropped the probes, or nothing is there."),
    GapReason.TIMEOUT: ("timed out", "The answer, or the time for it, ran out."),
    GapReason.CAP_REACHED: ("beyond the limit", "A limit of this scan was reached first."),
    GapReason.UNSUPPORTED: ("not supported", "This version has no check for it."),
    GapReason.UNREACHABLE: ("unreachable", "The network had no way there."),
    GapReason.REFUSED: ("refused by policy", "The scan policy does not permit it."),
    GapReason.ERROR: ("errors", "The check itself failed."),
}


def counted(number: int, noun: str) -> str:
    """`counted(1, "finding")` is `1 finding`, `counted(2000, "finding")` is `2,000 findings`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def moment(at: datetime | None) -> str:
    """`22 November 2026, 07:30 UTC`; naive times are taken for UTC."""
    if at is None:
        return NOTHING
    with suppress(OverflowError):  # the first and last day of the calendar have no neighbour
        at = at.astimezone(UTC) if at.tzinfo else at
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


def day(at: datetime | None) -> str:
    return NOTHING if at is None else moment(at).partition(",")[0]


def span(seconds: float | None) -> str:
    """`0.1 s`, `6 min 12 s`, `2 h 5 min`."""
    if seconds is None or not isfinite(seconds):
        return NOTHING
    if seconds < 59.95:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def points(value: float) -> str:
    """`25`, `0.5`; at most two decimals."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(part: int, whole: int) -> str:
    """Whole per cent; never 0 % for something, nor 100 % for less than all."""
    if not 0 < part < whole:
        return "0 %" if part <= 0 else "100 %"
    return f"{min(max(round(100 * part / whole), 1), 99)} %"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
