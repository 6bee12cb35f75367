"""Seal the secrets in the database under the current master key: `python -m shared.store.reseal`.

After it, an older master key is no more needed for the database. May be run at any time, and again.
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import Column, Table, Text, select, type_coerce, update

from shared import codec, keyring
from shared.store import audit, tables
from shared.store.engine import Connection, engine, writing
from shared.store.tables.columns import Json
from shared.store.tables.secrets import JsonWithSecrets, Secret, each_secret, opened

AT_ONCE = 200  # rows of one transaction
COLUMNS: list[tuple[Table, Column[Any]]] = [
    (table, column)
    for table in tables.metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, (JsonWithSecrets, Secret))
]


def reseal() -> tuple[int, int]:
    """Seal anew what is not sealed with the current key. Returns how many secrets were, and how many cannot be."""
    done = stuck = 0
    for table, column in COLUMNS:
        after: str | None = ""
        while after is not None:
            with writing() as connection:
                after, some, others = _some(connection, table, column, after)
            done, stuck = done + some, stuck + others
    with writing() as connection:
        some, others = audit.reseal(connection)
    return done + some, stuck + others


def _some(connection: Connection, table: Table, column: Column[Any], after: str) -> tuple[str | None, int, int]:
    """Seal some rows; return the id of the last one, or None after the last of all, and the two numbers."""
    is_json = isinstance(column.type, JsonWithSecrets)
    stored = type_coerce(column, Json if is_json else Text).label("stored")
    query = select(table.c.id, stored).where(table.c.id > after).order_by(table.c.id).limit(AT_ONCE).with_for_update()
    rows = connection.execute(query).all()
    done = stuck = 0
    for row in rows:
        old = _outdated(row.stored, is_json=is_json)
        lost = [secret for secret in old if codec.key_of(opened(secret))]
        if len(old) > len(lost):
            plain = each_secret(row.stored, opened) if is_json else opened(row.stored)
            connection.execute(update(table).where(table.c.id == row.id).values({column.name: plain}))
        done, stuck = done + len(old) - len(lost), stuck + len(lost)
    return (rows[-1].id if rows else None), done, stuck


def _outdated(stored: Any, *, is_json: bool) -> list[str]:  # noqa: ANN401
    found: list[str] = []

    def note(secret: str) -> str:
        if codec.key_of(secret) != keyring.current():
            found.append(secret)
        return secret

    if is_json:
        each_secret(stored, note)
    else:
        note(stored)
    return found


def main() -> int:
    done, stuck = reseal()
    engine().dispose()
    sys.stdout.write(f"{done} secrets were sealed with the key {keyring.current()}; {stuck} have a key that is gone.\n")
    return 1 if stuck else 0


if __name__ == "__main__":
    sys.exit(main())
