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
from shared.layers.work import notable_work, work

PACKAGE = "services.process.rules"


def judge(kind: str, observations: Sequence[Observation], at: datetime) -> list[Finding]:
    """Return the findings of every rule of `kind`, worst first, each fingerprint once. `id` is left empty.

    at: the moment to judge for, with a time zone; certificates and support periods end relative to it.
    Raises UnknownPlugin for a kind without rules.
    """
    folder = registry.plugin(PACKAGE, kind)
    sets = registry.plugins(folder.__name__)
    with work("judge", {"vedette.observations": len(observations), "vedette.rule_sets": len(sets)}) as span:
        view: Any = folder.view(observations, at)
        found: list[Finding] = []
        for name, rules in sets.items():
            with notable_work("rule set", {"vedette.rule_set": name}):
                found += [stamp(kind, finding) for finding in rules.judge(view)]
        span.set_attribute("vedette.findings", len(found))
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
