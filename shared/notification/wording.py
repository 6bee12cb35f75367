"""A notice in words: the sentences that every channel for people shares."""

from __future__ import annotations

from shared.contracts.alert import AlertNotice
from shared.contracts.finding import Severity
from shared.contracts.job import JobState
from shared.contracts.notice import Notice

HEADLINE_LIMIT = 160  # characters

_ENDS = {
    JobState.SUCCEEDED: "scan finished",
    JobState.PARTIAL: "scan finished in part",
    JobState.FAILED: "scan failed",
    JobState.DEAD: "scan failed for good",
    JobState.CANCELLED: "scan cancelled",
}


_ALERTS = {"alert.firing": "alert", "alert.reminder": "still an alert", "alert.resolved": "over"}


def headline(notice: Notice | AlertNotice) -> str:
    """Return the notice in one line, e.g. `db1.example: grade C, 1 critical, 3 high`. No control characters."""
    if isinstance(notice, AlertNotice):
        return plain(f"{_ALERTS[notice.type]}: {notice.summary}", HEADLINE_LIMIT)
    end = ending(notice)
    if notice.grade is not None:
        worst = counts(notice, Severity.CRITICAL, Severity.HIGH) or "nothing critical or high"
        partly = ", in part" if notice.state is JobState.PARTIAL else ""
        end = f"grade {notice.grade}{partly}, {worst}"
    end = plain(end, 80)
    return f"{plain(notice.target, HEADLINE_LIMIT - len(end) - 2)}: {end}"


def ending(notice: Notice) -> str:
    """Return how the job ended, e.g. `scan failed`."""
    return _ENDS.get(notice.state, f"job {notice.state}")


def counts(notice: Notice, *severities: Severity) -> str:
    """Return how many findings there are of each of `severities` (all by default) that has any, worst first."""
    wanted = severities or tuple(Severity)
    return ", ".join(f"{notice.severities[each]} {each}" for each in wanted if notice.severities.get(each))


def change(notice: Notice) -> str:
    """Return the difference to the last scan, or nothing when there is none to tell."""
    parts = [f"{notice.new} new" if notice.new else "", f"{notice.fixed} fixed" if notice.fixed else ""]
    said = " and ".join(part for part in parts if part)
    return f"{said} since the last scan" if said else ""


def gaps(notice: Notice) -> str:
    """Return what was not checked, in numbers; nothing when all was."""
    if not notice.gaps:
        return ""
    return (
        f"{notice.gaps} {'check' if notice.gaps == 1 else 'checks'} could not be made. The report says which and why."
    )


def plain(text: str, limit: int) -> str:
    """Return `text` on one line, without control characters, of at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
