"""One finding as a reader sees it, and the raw evidence behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.report import printable, words
from shared.contracts.finding import ChangeState, Finding, Reference
from shared.contracts.observation import Evidence, Observation

MAX_TEXT = 2000  # characters of what, why and how to fix


@dataclass(frozen=True)
class Exhibit:
    """A piece of raw evidence: where it comes from and what it says. `note` tells when it was cut at capture."""

    number: int
    source: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Link:
    """`url` is empty when it is not a plain https address; such a reference is shown as text."""

    title: str
    url: str


@dataclass(frozen=True)
class Entry:
    """One finding. `number` is its number in this report: F1 is the worst."""

    number: int
    severity: str
    title: str
    subject: str
    change: str
    is_changed: bool
    points: str
    what: str
    why: str
    fix: str
    evidence: list[Exhibit]
    links: list[Link]
    rule: str
    confidence: str
    first_seen: str
    fingerprint: str


def entries(findings: Iterable[Finding], first: int = 1) -> list[Entry]:
    """Return `findings` worst first, numbered from `first`. Findings of one severity keep their order."""
    ordered = sorted(findings, key=lambda finding: finding.severity.rank)
    return [_entry(finding, number) for number, finding in enumerate(ordered, first)]


def annex(observations: Iterable[Observation]) -> list[Exhibit]:
    """Return the evidence of all observations, each text once per subject, numbered from 1."""
    found = {(each.subject, item.source, item.text): item for each in observations for item in each.evidence}
    return [_exhibit(item, number, subject) for number, ((subject, _, _), item) in enumerate(found.items(), 1)]


def _entry(finding: Finding, number: int) -> Entry:
    return Entry(
        number=number,
        severity=finding.severity.value,
        title=printable.line(finding.title) or words.NOTHING,
        subject=printable.line(finding.subject) or words.NOTHING,
        change=words.CHANGES[finding.change],
        is_changed=finding.change in (ChangeState.NEW, ChangeState.REOPENED),
        points=words.points(finding.points) if finding.points else "",
        what=printable.block(finding.what, MAX_TEXT),
        why=printable.block(finding.why, MAX_TEXT),
        fix=printable.block(finding.fix, MAX_TEXT),
        evidence=[_exhibit(item, index) for index, item in enumerate(finding.evidence, 1)],
        links=[_link(reference) for reference in finding.references],
        rule=printable.line(finding.rule, 80),
        confidence=words.CONFIDENCES[finding.confidence],
        first_seen=words.day(finding.first_seen_at),
        fingerprint=printable.line(finding.fingerprint, 80),
    )


def _exhibit(evidence: Evidence, number: int, subject: str = "") -> Exhibit:
    source = printable.line(" · ".join(part for part in (subject, evidence.source) if part), 160)
    note = "cut when it was captured" if evidence.truncated else ""
    return Exhibit(number, source or words.NOTHING, printable.block(evidence.text) or "(empty)", note)


def _link(reference: Reference) -> Link:
    """Only https, with a host, without user name or anything that is not plain ASCII."""
    url = reference.url if reference.url.isascii() and reference.url.isprintable() and " " not in reference.url else ""
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_safe = False
    return Link(printable.line(reference.title or reference.url, 200) or words.NOTHING, url if is_safe else "")
