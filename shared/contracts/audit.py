"""Who did what: one line per action of a person or a token, and whether the lines are those that were written."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, Field

from shared.contracts.job import Contract, Written


class Flaw(StrEnum):
    """What is wrong with an entry of the audit."""

    CHANGED = "changed"  # it is not what was written, or was never written by this installation
    REMOVED = "removed"  # entries before it are gone
    REORDERED = "re-ordered"  # it stands at another place than it was written at
    CUT_OFF = "cut-off"  # entries after the last are gone


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


class AuditFilter(Written):
    """Which entries. action, subject: as it is, or the noun of some: `queue`, `queue.pause`, `job`, `job:<id>`."""

    action: str = Field("", max_length=64)
    actor: str = Field("", max_length=255)
    subject: str = Field("", max_length=400)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class Verification(Contract):
    """What was found of `checked` entries; with `next`, more follow after that one.

    seq: the first that is wrong, and `flaw` how.  last, hash: the newest entry that is right; keep the hash elsewhere,
    and give it as `known` another time.  unsealed: how many have a seal whose key is gone; their hashes were checked.
    """

    ok: bool
    checked: int
    unsealed: int = 0
    last: int
    hash: str = ""
    flaw: Flaw | None = None
    seq: int | None = None
    detail: str = ""
    next: int | None = None
