"""What SQLite needs to serve several processes: WAL, transactions that we open, and quick turns at writing."""

from __future__ import annotations

import ipaddress
import random
import sqlite3
import time
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.pool import PoolProxiedConnection

BUSY_TIMEOUT_S = 20.0  # how long a writer waits for its turn
SHORTEST_NAP_S = 0.0002  # a writer of ours holds the lock for about a millisecond
LONGEST_NAP_S = 0.005


def prepare(raw: Any, _record: object) -> None:  # noqa: ANN401  a sqlite3.Connection
    """Set a new connection up."""
    raw.isolation_level = None  # `begin` below opens transactions, not the driver
    timeout_ms = int(BUSY_TIMEOUT_S * 1000)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={timeout_ms}"):
        raw.execute(f"PRAGMA {pragma}")
    raw.create_function("inet", 1, _inet, deterministic=True)


def _inet(text: str) -> str | None:
    """Return an address in a form that sorts as addresses do: what PostgreSQL's function of this name is used for."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return f"{address.version}{int(address):032x}"


def begin_reading(_dialect: Dialect, connection: PoolProxiedConnection) -> None:
    """Open a transaction to read in: what `Dialect.do_begin` does here."""
    raw: Any = connection.dbapi_connection
    raw.execute("BEGIN")


def begin_writing(_dialect: Dialect, connection: PoolProxiedConnection) -> None:
    """Open a transaction that has the lock at once: one that upgraded later would fail as soon as two do.

    It asks in short naps: SQLite's own waiting sleeps up to 0.1 s at a time while nobody writes.
    """
    raw: Any = connection.dbapi_connection
    deadline, nap_s = time.monotonic() + BUSY_TIMEOUT_S, SHORTEST_NAP_S
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while not _has_begun(raw, deadline):
            time.sleep(nap_s * random.uniform(0.5, 1.5))  # noqa: S311  jitter, not a secret
            nap_s = min(nap_s * 1.5, LONGEST_NAP_S)
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")


def _has_begun(raw: Any, deadline: float) -> bool:  # noqa: ANN401  a sqlite3.Connection
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
            raise
        return False
    return True
