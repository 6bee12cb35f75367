"""Raw evidence: the pieces behind a finding, and the annex, which holds each piece once and whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.report import printable, words
from shared.contracts.finding import Finding
from shared.contracts.observation import Evidence, Observation

HEAD_LINES = 8  # what a finding shows of long evidence
HEAD_TEXT = 600  # characters
_SLACK = 1.25  # so little more is shown at once: "2 more lines elsewhere" helps nobody

Key = tuple[str, str, str]  # subject, source and text


@dataclass(frozen=True)
class Exhibit:
    """A piece of raw evidence: where it comes from and what it says. `note` tells when it was cut at capture.

    number: its number in the annex, 0 when it is not there.  head: the beginning of a long text, empty of a short one.
    """

    number: int
    source: str
    text: str
    note: str = ""
    head: str = ""


def annex(observations: Iterable[Observation], findings: Iterable[Finding] = ()) -> dict[Key, Exhibit]:
    """Return all evidence, each text once per subject, numbered from 1, the pieces of one subject together."""
    seen = [(each.subject, each.evidence) for each in observations]
    seen += [(each.subject, each.evidence) for each in findings]
    found: dict[str, dict[Key, Evidence]] = {}
    for subject, evidence in seen:
        for item in evidence:
            found.setdefault(subject, {}).setdefault((subject, item.source, item.text), item)
    flat = [pair for pieces in found.values() for pair in pieces.items()]
    return {key: _exhibit(item, number, key[0]) for number, (key, item) in enumerate(flat, 1)}


def behind(finding: Finding, held: Mapping[Key, Exhibit]) -> list[Exhibit]:
    """Return the evidence of `finding`; pieces that are `held` in the annex carry their number there."""
    keys = [(finding.subject, item.source, item.text) for item in finding.evidence]
    numbers = [held[key].number if key in held else 0 for key in keys]
    return [_exhibit(item, number) for item, number in zip(finding.evidence, numbers, strict=True)]


def head(text: str) -> str:
    """Return the first lines of `text`, or nothing when it is short enough to be shown whole."""
    lines = text.split("\n")
    if len(lines) <= HEAD_LINES * _SLACK and len(text) <= HEAD_TEXT * _SLACK:
        return ""
    return "\n".join(lines[:HEAD_LINES])[:HEAD_TEXT].rstrip()


def _exhibit(evidence: Evidence, number: int, subject: str = "") -> Exhibit:
    source = printable.line(" · ".join(part for part in (subject, evidence.source) if part), 160)
    note = "cut when it was captured" if evidence.truncated else ""
    text = printable.block(evidence.text).rstrip("\n") or "(empty)"
    return Exhibit(number, source or words.NOTHING, text, note, head(text))
