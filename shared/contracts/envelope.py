"""The only message between stages. It carries ids and limits, never findings: those lie in the store."""

from __future__ import annotations

from datetime import datetime

from shared.contracts.job import Contract, Priority


class Envelope(Contract):
    """One job on its way. `version` changes when a worker of yesterday could not read it."""

    version: int = 1
    job_id: str
    org_id: str
    kind: str
    lane: str
    priority: Priority = Priority.NORMAL
    deadline_at: datetime | None = None
