"""What an organisation chose instead of the defaults: policies, and rules that overrule the classifier.

Read only when something failed, and kept for `KEPT_S`. A store that is away leaves the defaults.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from shared.contracts.dead_letter import ErrorDetail, Rule
from shared.dlq import fingerprint
from shared.errors import Classification, FailureClass, Policy, classified
from shared.store import dlq_rules, jobs, policies
from shared.store.dlq_rules import Facts
from shared.store.engine import reading
from shared.store.ledger import Key, Taken

log = structlog.get_logger()

KEPT_S = 5.0


@dataclass(frozen=True)
class Overrides:
    """read_at: on the monotonic clock, seconds."""

    policies: Mapping[FailureClass, Policy] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    read_at: float = 0.0

    def classified(self, exc: Exception, error: ErrorDetail, taken: Taken) -> Classification:
        """Return the class of a failure of a step, and why it is that one."""
        if not self.rules:
            return classified(exc)
        same = self.fingerprint(error, taken) if any(rule.fingerprint for rule in self.rules) else ""
        rule = dlq_rules.decide(self.rules, Facts(same, taken.key.stage.value, error))
        return Classification(rule.failure_class, dlq_rules.told(rule)) if rule else classified(exc)

    def fingerprint(self, error: ErrorDetail, taken: Taken) -> str:
        """Return the fingerprint that a dead letter of this failure has."""
        return fingerprint(taken.key.stage.value, error, names=_names(taken.key))


def overrides_of(org_id: str) -> Overrides:
    """Return what holds for an organisation, at most `KEPT_S` old."""
    known = _known.get(org_id)
    if known is not None and time.monotonic() - known.read_at < KEPT_S:
        return known
    try:
        with reading(org_id) as connection:
            chosen, rules = policies.chosen(connection, org_id), dlq_rules.all_of(connection, org_id)
    except Exception as exc:
        log.warning("overrides.unread", error=type(exc).__name__, message=str(exc)[:500])
        return known or Overrides()
    found = _known[org_id] = Overrides(chosen, rules, time.monotonic())
    return found


_known: dict[str, Overrides] = {}


def forget() -> None:
    """Have the next question read the store."""
    _known.clear()


def _names(key: Key) -> Sequence[str]:
    try:
        with reading(key.org_id) as connection:
            return jobs.names(connection, key.job_id)
    except Exception as exc:
        log.warning("overrides.names.unread", error=type(exc).__name__, message=str(exc)[:500])
        return ()
