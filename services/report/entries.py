"""One finding as a reader sees it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from services.report import exhibits, printable, words
from services.report.exhibits import Exhibit
from shared.contracts.finding import ChangeState, Finding, Reference

MAX_TEXT = 2000  # characters of what, why and how to fix
_NO_ANNEX: Mapping[exhibits.Key, Exhibit] = MappingProxyType({})


@dataclass(frozen=True)
class Link:
    """`url` is empty when it is not a plain https address; such a reference is shown as text."""

    title: str
    url: str


@dataclass(frozen=True)
class Entry:
    """One finding. `number` is its number in this report: F1 is the worst. `points` is its `cost` in words."""

    number: int
    severity: str
    title: str
    subject: str
    change: str
    is_changed: bool
    points: str
    cost: float
    what: str
    why: str
    fix: str
    evidence: list[Exhibit]
    links: list[Link]
    rule: str
    confidence: str
    first_seen: str
    fingerprint: str


def entries(
    findings: Iterable[Finding], first: int = 1, annex: Mapping[exhibits.Key, Exhibit] = _NO_ANNEX
) -> list[Entry]:
    """Return `findings` worst first, those of one kind together, numbered from `first`, else in the order given."""
    kinds: dict[Hashable, list[Entry]] = {}
    for finding in sorted(findings, key=lambda finding: finding.severity.rank):
        entry = _entry(finding, annex)
        kinds.setdefault(kind(entry), []).append(entry)
    ordered = [entry for members in kinds.values() for entry in members]
    return [replace(entry, number=number) for number, entry in enumerate(ordered, first)]


def kind(entry: Entry) -> Hashable:
    """Return what entries have in common that differ only in where they are and what is seen there."""
    return (entry.severity, entry.rule, entry.title, entry.confidence, entry.why, entry.fix)


def _entry(finding: Finding, annex: Mapping[exhibits.Key, Exhibit]) -> Entry:
    return Entry(
        number=0,
        severity=finding.severity.value,
        title=printable.line(finding.title) or words.NOTHING,
        subject=printable.line(finding.subject) or words.NOTHING,
        change=words.CHANGES[finding.change],
        is_changed=finding.change in (ChangeState.NEW, ChangeState.REOPENED),
        points=words.points(finding.points) if finding.points else "",
        cost=finding.points,
        what=printable.block(finding.what, MAX_TEXT),
        why=printable.block(finding.why, MAX_TEXT),
        fix=printable.block(finding.fix, MAX_TEXT),
        evidence=exhibits.behind(finding, annex),
        links=[_link(reference) for reference in finding.references],
        rule=printable.line(finding.rule, 80),
        confidence=words.CONFIDENCES[finding.confidence],
        first_seen=words.day(finding.first_seen_at),
        fingerprint=printable.line(finding.fingerprint, 80),
    )


def _link(reference: Reference) -> Link:
    """Only https, with a host, without user name or anything that is not plain ASCII."""
    url = reference.url if reference.url.isascii() and reference.url.isprintable() and " " not in reference.url else ""
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_safe = False
    return Link(printable.line(reference.title or reference.url, 200) or words.NOTHING, url if is_safe else "")
