"""The query language of every list: `state:failed kind:host target:10.0.0.0/24 ended:>24h -tag:nightly db`.

Terms stand side by side and all must hold; `a,b` is one or the other, `-` in front says not, quotes keep spaces and
signs. A word without a field is part of a target. Ages: `>24h` is longer ago than that, `<10m` more recent (s m h d w).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from shared.contracts.dead_letter import DeadLetterState, Reason
from shared.contracts.finding import ChangeState, Severity
from shared.contracts.job import JobState, Priority, Profile, StageName
from shared.contracts.lanes import ALL_LANES
from shared.contracts.weakness import FindingStatus
from shared.errors import FailureClass, InvalidInput
from shared.text import kept

MAX_LENGTH = 1000  # characters of a query
MAX_VALUES = 100  # in all its terms: databases limit how deep a condition may be
MAX_AGE = timedelta(days=36500)
FREE = "target"  # what a word without a field is looked for in


class QueryWrong(InvalidInput):
    """The query cannot be read. The message names the place; the first character is number 1."""


class Sort(Enum):
    """How the values of a field are written."""

    CHOICE = auto()  # one of known words
    TEXT = auto()  # exactly this
    ID = auto()  # the beginning or the end of an id
    TAG = auto()  # `name`, or `name=value`
    AGE = auto()
    TARGET = auto()  # an address, a network, a range, or a piece of a name


@dataclass(frozen=True)
class Field:
    sort: Sort
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Term:
    """One condition: a field has one of `values`, or with `is_negated` none of them.

    is_free: written without a field.
    """

    field: str
    values: tuple[str, ...]
    is_negated: bool = False
    is_free: bool = False


def _choice(names: Sequence[str]) -> Field:
    return Field(Sort.CHOICE, tuple(str(name) for name in names))


_COMMON = {
    "id": Field(Sort.ID),
    "target": Field(Sort.TARGET),
    "kind": Field(Sort.TEXT),
    "class": _choice(list(FailureClass)),
    "code": Field(Sort.TEXT),
    "stage": _choice(list(StageName)),
    "reason": _choice(list(Reason)),
    "tag": Field(Sort.TAG),
    "created": Field(Sort.AGE),
    "ended": Field(Sort.AGE),
    "failed": Field(Sort.AGE),
}
JOBS: Mapping[str, Field] = {
    "state": _choice(list(JobState)),
    "queue": _choice(ALL_LANES),
    "priority": _choice(list(Priority)),
    "profile": _choice(list(Profile)),
    "batch": Field(Sort.ID),
    "origin": Field(Sort.ID),
    **_COMMON,
}
FINDINGS: Mapping[str, Field] = {
    "id": Field(Sort.ID),
    "job": Field(Sort.ID),
    "target": Field(Sort.TARGET),
    "kind": Field(Sort.TEXT),
    "severity": _choice(list(Severity)),
    "rule": Field(Sort.TEXT),
    "status": _choice(list(FindingStatus)),
    "change": _choice(list(ChangeState)),
    "first_seen": Field(Sort.AGE),
}
DEAD_LETTERS: Mapping[str, Field] = {
    "state": _choice(list(DeadLetterState)),
    "queue": Field(Sort.TEXT),
    "job": Field(Sort.ID),
    "group": Field(Sort.TEXT),
    "type": Field(Sort.TEXT),
    "task": Field(Sort.TEXT),
    "worker": Field(Sort.TEXT),
    **_COMMON,
    "class": _choice([*FailureClass, "poison"]),
}


def parse(text: str, fields: Mapping[str, Field]) -> list[Term]:
    """Return the terms of a query. Raises QueryWrong, which says where and what to write instead."""
    if len(text) > MAX_LENGTH:
        raise _wrong("it is too long", MAX_LENGTH + 1, f"Write at most {MAX_LENGTH} characters.")
    terms = list(_terms(kept(text), fields))
    if sum(len(term.values) for term in terms) > MAX_VALUES:
        raise _wrong("it has too many values", 1, f"Write at most {MAX_VALUES} values.")
    return terms


def age(value: str) -> tuple[bool, timedelta]:
    """Return whether an age such as `>24h` means longer ago, and how long. Raises ValueError."""
    if not (found := _AGE.fullmatch(value)):
        raise ValueError(value)
    length = timedelta(**{_UNITS[found["unit"].lower()]: float(found["count"])})
    if length > MAX_AGE:
        raise ValueError(value)
    return found["sign"] == ">", length


def _terms(text: str, fields: Mapping[str, Field]) -> Iterator[Term]:
    at = _skip(text, 0)
    while at < len(text):
        negated = text[at] == "-"
        start = at + negated
        name, at = _name(text, start)
        if name not in fields and text.startswith(":", at):  # `fe::1` is an address
            name, at = "", start
        if name and name not in fields:
            cure = f'Known are {", ".join(sorted(fields))}. Quote what is no field: "{name}:…".'
            raise _wrong(f"there is no field `{name}`", start + 1, cure)
        values, at = _values(text, at, name)
        field = fields[name or FREE]
        checked = tuple(_checked(value, place, name, field) for value, place in values)
        yield Term(name or FREE, checked, negated, is_free=not name)
        at = _skip(text, at)


def _name(text: str, at: int) -> tuple[str, int]:
    found = _NAME.match(text, at)
    return (found["name"].lower(), found.end()) if found else ("", at)


def _values(text: str, at: int, name: str) -> tuple[list[tuple[str, int]], int]:
    """Return the values that begin at `at`, each with its place, and where they end."""
    found = []
    while True:
        value, end = _value(text, at)
        if not value:
            after = f" after `{name}:`" if name else ""
            raise _wrong(f"a value is missing{after}", at + 1, 'Write one, such as state:failed or "two words".')
        found.append((value, at))
        if end < len(text) and text[end] == ",":
            at = end + 1
            continue
        if end < len(text) and not text[end].isspace():
            raise _wrong("something stands right after a quoted value", end + 1, "Put a space or a comma between.")
        return found, end


def _value(text: str, at: int) -> tuple[str, int]:
    if not text.startswith('"', at):
        found = _BARE.match(text, at)
        return (found[0], found.end()) if found else ("", at)
    if not (quoted := _QUOTED.match(text, at)):
        raise _wrong("a quotation mark is not closed", at + 1, 'Close it, or write \\" for the sign itself.')
    return _ESCAPED.sub(r"\1", quoted["inside"]).strip(), quoted.end()


def _checked(value: str, at: int, name: str, field: Field) -> str:
    if field.sort is Sort.CHOICE:
        if value.lower() not in field.choices:
            raise _wrong(f"`{name}` is never {value[:40]!r}", at + 1, f"It is one of {', '.join(field.choices)}.")
        return value.lower()
    if field.sort is Sort.TAG and not _TAG.fullmatch(value.partition("=")[0].lower()):
        raise _wrong(f"{value[:40]!r} is no name of a tag", at + 1, "Write tag:name or tag:name=value.")
    if field.sort is Sort.AGE:
        try:
            age(value)
        except (ValueError, OverflowError):
            cure = f"Write {name}:>24h for longer ago than a day, {name}:<10m for the last ten minutes; s m h d w."
            raise _wrong(f"{value[:40]!r} is no age", at + 1, cure) from None
    return value


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _wrong(what: str, place: int, cure: str) -> QueryWrong:
    return QueryWrong(f"The query cannot be read: {what} (character {place}).", cure=cure, pointer="/q")


_NAME = re.compile(r"(?P<name>[A-Za-z_]+):")
_BARE = re.compile(r'[^\s,"]+')
_QUOTED = re.compile(r'"(?P<inside>(?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_AGE = re.compile(r"(?P<sign>[<>])(?P<count>[0-9]{1,9}(?:\.[0-9]{1,3})?)(?P<unit>[smhdw])", re.IGNORECASE | re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
