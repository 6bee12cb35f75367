"""The tables. `migrations/` makes them; a test holds that both say the same."""

from shared.store.tables.access import (
    api_keys,
    idempotent_requests,
    invitations,
    members,
    organisations,
    scan_rules,
    sessions,
    users,
)
from shared.store.tables.columns import Moment, metadata
from shared.store.tables.triage import audit, audit_heads, dead_letter_rules, dead_letters, operations, policies
from shared.store.tables.work import (
    assessments,
    batches,
    coverage,
    deliveries,
    events,
    finding_triage,
    findings,
    jobs,
    observations,
    plugins,
    reports,
    steps,
)

__all__ = [
    "Moment",
    "api_keys",
    "assessments",
    "audit",
    "audit_heads",
    "batches",
    "coverage",
    "dead_letter_rules",
    "dead_letters",
    "deliveries",
    "events",
    "finding_triage",
    "findings",
    "idempotent_requests",
    "invitations",
    "jobs",
    "members",
    "metadata",
    "observations",
    "operations",
    "organisations",
    "plugins",
    "policies",
    "reports",
    "scan_rules",
    "sessions",
    "steps",
    "users",
]
