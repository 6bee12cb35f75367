"""The tables. `migrations/` makes them; a test holds that both say the same."""

from shared.store.tables.columns import Moment, metadata
from shared.store.tables.triage import audit, dead_letter_rules, dead_letters, operations, policies
from shared.store.tables.work import (
    assessments,
    coverage,
    deliveries,
    events,
    findings,
    jobs,
    observations,
    plugins,
    reports,
    steps,
)

__all__ = [
    "Moment",
    "assessments",
    "audit",
    "coverage",
    "dead_letter_rules",
    "dead_letters",
    "deliveries",
    "events",
    "findings",
    "jobs",
    "metadata",
    "observations",
    "operations",
    "plugins",
    "policies",
    "reports",
    "steps",
]
