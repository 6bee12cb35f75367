"""Who did what: one line per action of a person or a token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.contracts.job import Contract


class AuditEntry(Contract):
    """One action. subject: what it was done to, as `dead-letter:<id>`, `job:<id>`, `queue:<name>`."""

    id: int
    org_id: str
    at: datetime
    actor: str
    action: str
    subject: str = ""
    detail: dict[str, Any] = {}
    trace_id: str = ""
