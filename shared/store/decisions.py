"""Decisions about findings: one for each finding of a target, whatever scan found it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from shared.contracts.weakness import TriageChange
from shared.ids import now
from shared.store.tables import finding_triage

_KEY = ("org_id", "target_key", "fingerprint")
_VALUES = ("status", "note", "until", "changed_by", "changed_at")


def decide(
    connection: Connection, org_id: str, keys: Sequence[tuple[str, str]], change: TriageChange, actor: str
) -> None:
    """Decide about the findings of `keys`, pairs of target and fingerprint. What was decided before is replaced."""
    if not keys:
        return
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    values = {"status": change.status, "note": change.note, "until": change.until}
    values |= {"changed_by": actor, "changed_at": now()}
    rows = [{"org_id": org_id, "target_key": target, "fingerprint": mark, **values} for target, mark in keys]
    statement = insert(finding_triage)
    taken = {name: statement.excluded[name] for name in _VALUES}
    connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=taken), rows)
