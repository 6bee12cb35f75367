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
from shared.store.tables.alerts import alert_notices, alerts
from shared.store.tables.columns import Moment, metadata
from shared.store.tables.records import line_batches, span_batches
from shared.store.tables.rollups import counted, counters
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
    "alert_notices",
    "alerts",
    "api_keys",
    "assessments",
    "audit",
    "audit_heads",
    "batches",
    "counted",
    "counters",
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
    "line_batches",
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
    "span_batches",
    "steps",
    "users",
]
