"""Findings that differ in their place only, told once: one heading, one advice, and the list of places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from services.report import words
from services.report.entries import Entry, Link, kind
from services.report.spans import Span, spans

_SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z])")


@dataclass(frozen=True)
class Place:
    """One finding of a weakness. `what` is said of this place alone."""

    entry: Entry
    what: list[Span]


@dataclass(frozen=True)
class Weakness:
    """Title, severity, rule and confidence are those of each entry. `links` are those of all entries together.

    numbers: `F4–F9`.  where: the subject if there is only one, else `6 places`.  change: `2 new · 1 came back`.
    what: all that is said, if that is the same everywhere.  everywhere: else the sentences that are the same.
    """

    numbers: str
    where: str
    change: str
    points: str
    what: list[Span]
    why: list[Span]
    fix: list[Span]
    links: list[Link]
    everywhere: list[Span]
    places: list[Place]

    @property
    def entries(self) -> list[Entry]:
        return [place.entry for place in self.places]


def weaknesses(entries: Sequence[Entry]) -> list[Weakness]:
    """Return `entries`, whose kinds stand together, as one weakness per kind."""
    return [_weakness(list(members)) for _, members in groupby(entries, kind)]


def _weakness(members: list[Entry]) -> Weakness:
    own, shared = _divided([entry.what for entry in members])
    lead, last = members[0], members[-1]
    cost = sum(entry.cost for entry in members)
    return Weakness(
        numbers=f"F{lead.number}" if lead is last else f"F{lead.number}–F{last.number}",
        where=_where(members),
        change=_change(members),
        points=words.points(cost) if cost else "",
        what=[] if any(own) else spans(shared),
        why=spans(lead.why),
        fix=spans(lead.fix),
        links=list(dict.fromkeys(link for entry in members for link in entry.links)),
        everywhere=spans(shared) if any(own) else [],
        places=[Place(entry, spans(what)) for entry, what in zip(members, own, strict=True)],
    )


def _divided(texts: list[str]) -> tuple[list[str], str]:
    """Return what each text says alone, and the closing sentences that all have in common."""
    if len(set(texts)) == 1:
        return [""] * len(texts), texts[0]
    told = [_SENTENCE.split(text) for text in texts]
    common: list[str] = []
    # A sentence that ends inside of code is no sentence.
    while all(told) and len({each[-1] for each in told}) == 1 and told[0][-1].count("`") % 2 == 0:
        common.insert(0, told[0][-1])
        told = [each[:-1] for each in told]
    return [" ".join(each) for each in told], " ".join(common)


def _where(members: list[Entry]) -> str:
    subjects = {entry.subject for entry in members}
    return members[0].subject if len(subjects) == 1 else words.counted(len(subjects), "place")


def _change(members: list[Entry]) -> str:
    if len(members) == 1:
        return members[0].change if members[0].is_changed else ""
    found = Counter(entry.change for entry in members if entry.is_changed)
    return " · ".join(f"{number:,} {change}" for change, number in found.items())
