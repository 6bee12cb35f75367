"""Who did what, append only: a line is written in the transaction of what it tells of, or just before it.

Each organisation has a chain of its own, see `shared.store.chain` and docs/decisions/0029. Its head is locked to the
end of the transaction, so write the line last.
"""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from shared import keyring, telemetry
from shared.contracts.audit import AuditEntry, AuditFilter
from shared.errors import VedetteError
from shared.ids import now
from shared.keyring import StaleKey
from shared.redaction import veiled
from shared.store import chain
from shared.store.engine import insert_missing, writing
from shared.store.tables import audit, audit_heads
from shared.text import kept

log = structlog.get_logger()

MAX_DETAIL = 500  # characters of one text in a detail


def add(  # noqa: PLR0913  what is done to what, and what may be said of it
    connection: Connection,
    org_id: str,
    actor: str,
    action: str,
    subject: str = "",
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    address: str = "",
    **detail: Any,  # noqa: ANN401  plain data
) -> None:
    """Write one line. action: `noun.verb`; subject: what it was done to, such as `job:<id>`.

    before, after: what was changed, as plain data; address: from where it was asked for.
    detail: plain data; of destinations only what may be shown is written.
    """
    entry = {
        "org_id": org_id,
        "at": now(),
        "actor": kept(actor)[:255],
        "address": kept(address)[:64],
        "action": action,
        "subject": kept(subject),
        "before": None if before is None else _fit(before),
        "after": None if after is None else _fit(after),
        "reason": kept(reason)[:MAX_DETAIL],
        "detail": _fit({name: value for name, value in detail.items() if value is not None}),
        "trace_id": telemetry.trace_id(),
    }
    _append(connection, org_id, entry)


def refused(org_id: str, actor: str, action: str, subject: str = "", **said: Any) -> None:  # noqa: ANN401  as `add`
    """Write down a refusal, in a transaction of its own: that of what was refused fails. Never raises."""
    try:
        with writing(org_id) as connection:
            add(connection, org_id, actor, action, subject, **said)
    except VedetteError as exc:
        log.warning("refusal.unaudited", action=action, org_id=org_id, error=exc.code)


def page(
    connection: Connection,
    org_id: str,
    *,
    limit: int,
    before: int = 0,
    action: str = "",
    **which: Any,  # noqa: ANN401
) -> list[AuditEntry]:
    """Return up to `limit` lines, newest first, with a smaller `seq` than `before`. which: fields of AuditFilter."""
    query = _matching(org_id, AuditFilter(action=action, **which)).order_by(audit.c.seq.desc()).limit(limit)
    return _entries(connection, query.where(audit.c.seq < before) if before else query)


def following(
    connection: Connection, org_id: str, after: int, *, limit: int, which: AuditFilter | None = None
) -> list[AuditEntry]:
    """Return up to `limit` lines, oldest first, with a larger `seq` than `after`."""
    query = _matching(org_id, which or AuditFilter()).where(audit.c.seq > after)
    return _entries(connection, query.order_by(audit.c.seq).limit(limit))


def _matching(org_id: str, which: AuditFilter) -> Select[Any]:
    query = select(audit).where(audit.c.org_id == org_id)
    for column, text, mark in ((audit.c.action, which.action, "."), (audit.c.subject, which.subject, ":")):
        if text:
            query = query.where((column == text) | column.startswith(f"{text}{mark}", autoescape=True))
    if which.actor:
        query = query.where(audit.c.actor == which.actor)
    if which.since:
        query = query.where(audit.c.at >= which.since)
    return query.where(audit.c.at < which.until) if which.until else query


def _entries(connection: Connection, query: Select[Any]) -> list[AuditEntry]:
    return [AuditEntry.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def reseal(connection: Connection) -> tuple[int, int]:
    """Seal the heads anew that an older key sealed. Returns how many were, and how many cannot be believed."""
    done = stuck = 0
    for head in connection.execute(select(audit_heads).with_for_update()).all():
        if not _is_ours(head.org_id, head):
            stuck += 1
        elif head.seal.partition(":")[0] != keyring.current():
            sealed = chain.seal(head.org_id, chain.head(head.seq, head.hash))
            connection.execute(update(audit_heads).where(audit_heads.c.org_id == head.org_id).values(seal=sealed))
            done += 1
    return done, stuck


def _append(connection: Connection, org_id: str, entry: dict[str, Any]) -> None:
    seq, previous = _locked_head(connection, org_id)
    seq, newest = seq + 1, chain.digest(entry, previous)
    linked = {"seq": seq, "previous_hash": previous, "hash": newest, "seal": chain.seal(org_id, newest)}
    connection.execute(insert(audit), entry | linked)
    values = {"seq": seq, "hash": newest, "seal": chain.seal(org_id, chain.head(seq, newest))}
    connection.execute(update(audit_heads).where(audit_heads.c.org_id == org_id).values(**values))


def _locked_head(connection: Connection, org_id: str) -> tuple[int, str]:
    """Return the place and the hash of the newest entry; nobody else appends before the end of the transaction."""
    query = select(audit_heads).where(audit_heads.c.org_id == org_id).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        insert_missing(connection, audit_heads, [{"org_id": org_id, "seq": 0, "hash": chain.START, "seal": ""}])
        found = connection.execute(query).one()
    if _is_ours(org_id, found):
        return found.seq, found.hash
    last = connection.execute(select(func.max(audit.c.seq)).where(audit.c.org_id == org_id)).scalar()
    if last is None and found.seq == 0:
        return 0, chain.START
    # Going on from a head that somebody made up would seal what he wants to hide: the break stays to be found.
    log.error("audit.head.forged", org_id=org_id, seq=found.seq)
    return max(last or 0, found.seq), chain.BROKEN


def _is_ours(org_id: str, found: Row[Any]) -> bool:
    try:
        return chain.is_sealed(org_id, chain.head(found.seq, found.hash), found.seal)
    except StaleKey:
        return False


def _fit(value: Any) -> Any:  # noqa: ANN401  plain data
    return _short(chain.plain(veiled(value)))


def _short(value: Any) -> Any:  # noqa: ANN401  plain data
    if isinstance(value, dict):
        return {_short(name): _short(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return value[:MAX_DETAIL] if isinstance(value, str) else value
