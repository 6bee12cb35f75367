"""Who did what, append only: a line is written in the transaction of what it tells of, or just before it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from shared import telemetry
from shared.contracts.audit import AuditEntry
from shared.ids import now
from shared.redaction import veiled
from shared.store.tables import audit
from shared.text import kept

MAX_DETAIL = 500  # characters of one text in a detail


def add(connection: Connection, org_id: str, actor: str, action: str, subject: str = "", **detail: Any) -> None:  # noqa: ANN401
    """Write one line. action: `noun.verb`; subject: what it was done to, such as `job:<id>`.

    detail: plain data; of destinations only what may be shown is written.
    """
    row = {
        "org_id": org_id,
        "at": now(),
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": _short(veiled({name: value for name, value in detail.items() if value is not None})),
        "trace_id": telemetry.trace_id(),
    }
    connection.execute(insert(audit), _chained(connection, row))


def page(connection: Connection, org_id: str, *, limit: int, before: int = 0, action: str = "") -> list[AuditEntry]:
    """Return up to `limit` lines, newest first, with a smaller id than `before`. action: or the noun of some."""
    query = select(audit).where(audit.c.org_id == org_id).order_by(audit.c.id.desc()).limit(limit)
    if before:
        query = query.where(audit.c.id < before)
    if action:
        query = query.where((audit.c.action == action) | audit.c.action.startswith(f"{action}.", autoescape=True))
    return [AuditEntry.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def _chained(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    newest = select(audit.c.seq).where(audit.c.org_id == row["org_id"]).order_by(audit.c.seq.desc()).limit(1)
    seq = (connection.execute(newest).scalar() or 0) + 1
    return row | {"seq": seq, "previous_hash": "", "hash": ""}


def _short(value: Any) -> Any:  # noqa: ANN401  plain data
    if isinstance(value, dict):
        return {_short(name): _short(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return kept(value)[:MAX_DETAIL] if isinstance(value, str) else value
