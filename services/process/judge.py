"""Run the rules of a kind over what its scanner saw.

Rules see checked models only (`facts.read`), so odd data cannot make one raise: it becomes a gap instead, which
`unjudged` returns. An exception out of a rule is therefore a bug, and is not hidden: the stage fails, keeps the
observations, and judges again when the rule is repaired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.process.facts import read
from shared import registry
from shared.contracts.finding import Finding
from shared.contracts.observation import Gap, Observation

PACKAGE = "services.process.rules"


def judge(kind: str, observations: Sequence[Observation], at: datetime) -> list[Finding]:
    """Return the findings of every rule of `kind`, worst first, each fingerprint once. `id` is left empty.

    at: the moment to judge for, with a time zone; certificates and support periods end relative to it.
    Raises UnknownPlugin for a kind without rules.
    """
    view: Any = registry.plugin(PACKAGE, kind).view(observations, at)
    found = [
        stamp(kind, finding) for rule in registry.plugins(f"{PACKAGE}.{kind}").values() for finding in rule.judge(view)
    ]
    worst: dict[str, Finding] = {}
    for finding in sorted(found, key=_order):
        worst.setdefault(finding.fingerprint, finding)
    return list(worst.values())


def unjudged(kind: str, observations: Sequence[Observation]) -> list[Gap]:
    """Return a gap for each observation that no rule could read; the caller adds them to the coverage."""
    return read(kind, observations)[1]


def stamp(kind: str, finding: Finding) -> Finding:
    """Return `finding` with its fingerprint: a hash of kind, rule, subject and what the rule left in that field."""
    identity = "\x1f".join((kind, finding.rule, finding.subject, finding.fingerprint))
    return finding.model_copy(
        update={"fingerprint": hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:32]}
    )


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return finding.severity.rank, finding.rule, finding.subject, finding.fingerprint
