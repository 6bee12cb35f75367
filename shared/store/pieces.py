"""Ids by a piece of them: people write the beginning, the end, or what lists show of one."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, func, or_, select

ID_LENGTH = 36  # characters of a UUID
SEEN = 8  # of them, the last, stand for a thing wherever people read
LIMIT = 10  # ids that are found, of a piece that many have


def ids_like(connection: Connection, table: Table, org_id: str, piece: str, limit: int = LIMIT) -> list[str]:
    """Return up to `limit` ids that begin or end with `piece`, or whose last eight digits do, newest first."""
    if len(piece) > ID_LENGTH:
        return []
    piece = piece.lower()  # ids are; LIKE minds the case on PostgreSQL alone
    seen = func.substr(table.c.id, ID_LENGTH - SEEN + 1, type_=table.c.id.type)
    matches: ColumnElement[bool] = or_(
        table.c.id.startswith(piece, autoescape=True),
        table.c.id.endswith(piece, autoescape=True),
        seen.startswith(piece, autoescape=True),
    )
    if len(piece) == ID_LENGTH:
        matches = table.c.id == piece  # which an index finds
    query = select(table.c.id).where(table.c.org_id == org_id, matches)
    return list(connection.execute(query.order_by(table.c.id.desc()).limit(limit)).scalars())
