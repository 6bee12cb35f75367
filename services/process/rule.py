"""A rule's standing text: what never changes from one target to the next. Declared once, at the top of its module.

The declarations are also the catalogue of rules (docs/rules.md), so a rule cannot exist without its documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.process.facts import Fact
from shared.contracts.finding import Confidence, Finding, Reference, Severity
from shared.contracts.job import Contract


def ref(title: str, url: str) -> Reference:
    return Reference(title=title, url=url)


def cwe(number: int, name: str) -> Reference:
    return Reference(title=f"CWE-{number}: {name}", url=f"https://cwe.mitre.org/data/definitions/{number}.html")


def rfc(number: int, name: str) -> Reference:
    return Reference(title=f"RFC {number}: {name}", url=f"https://www.rfc-editor.org/rfc/rfc{number}")


def cve(name: str) -> Reference:
    return Reference(title=name, url=f"https://nvd.nist.gov/vuln/detail/{name}")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One weakness: `id` is for ever (fingerprints hang on it), `severity` is the usual one; a finding may differ."""

    id: str
    title: str
    severity: Severity
    confidence: Confidence = Confidence.CERTAIN
    why: str
    fix: str
    references: tuple[Reference, ...]

    def at(self, fact: Fact[Contract], what: str, *, apart: str = "") -> Finding:
        """Return this rule's finding about `fact`. Refine it by `model_copy`, e.g. with another severity.

        apart: tells findings of one rule and subject apart; stable, so never a date or a version. It travels in
        `fingerprint`, which `judge` then hashes.
        """
        return Finding(
            fingerprint=apart,
            rule=self.id,
            title=self.title,
            severity=self.severity,
            confidence=self.confidence,
            subject=fact.subject,
            what=what,
            why=self.why,
            fix=self.fix,
            references=list(self.references),
            evidence=list(fact.evidence),
        )
