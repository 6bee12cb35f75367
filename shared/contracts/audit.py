"""Who did what: one line per action of a person or a token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.contracts.job import Contract


class AuditEntry(Contract):
    """One action. subject: what it was done to, as `dead-letter:<id>`, `job:<id>`, `queue:<name>`.

    seq: its place in the chain of its organisation, from 1.  address: from where it was asked for.
    hash: SHA-256 of this entry and of `previous_hash`, so that none can be changed, removed or moved unnoticed.
    seal: the id of a key, and what only this installation makes of the hash with it.
    """

    id: int
    org_id: str
    seq: int
    at: datetime
    actor: str
    address: str = ""
    action: str
    subject: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    reason: str = ""
    detail: dict[str, Any] = {}
    trace_id: str = ""
    previous_hash: str = ""
    hash: str = ""
    seal: str = ""
