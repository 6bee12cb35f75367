"""Connections to SQLite (WAL) or PostgreSQL. `reading` sees one snapshot; `writing` is one transaction, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import InterfaceError, OperationalError

from shared.errors import Infrastructure
from shared.settings import settings

__all__ = ["Connection", "DatabaseAway", "Write", "engine", "forget", "make_engine", "reading", "writing"]

BUSY_TIMEOUT_MS = 20_000  # how long a writer waits for another on SQLite
CONNECT_TIMEOUT_S = 5  # a database that is away is noticed, not waited for


class DatabaseAway(Infrastructure):
    """The database does not answer, or refused the connection."""


@cache
def engine() -> Engine:
    """Return this process's engine. A forked child must call `forget` first: connections do not survive a fork."""
    return make_engine(settings().database_url.get_secret_value())


def make_engine(url: str) -> Engine:
    """Return an engine for `sqlite:///path` or `postgresql://…`."""
    if urlsplit(url).scheme == "sqlite":
        made = create_engine(url, json_serializer=_dump, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
        return made
    url = url.replace("postgresql://", "postgresql+psycopg://", 1).replace("postgres://", "postgresql+psycopg://", 1)
    return create_engine(
        url,
        json_serializer=_dump,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=10,
        pool_timeout=10,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": "-c statement_timeout=60000 -c timezone=UTC"},
    )


def forget() -> None:
    """Drop inherited connections without closing them: they belong to the parent process."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
    engine.cache_clear()
    _writer.cache_clear()


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection to read from. Raises DatabaseAway."""
    with _named_failures(), engine().connect() as connection:
        yield connection


@contextmanager
def writing() -> Iterator[Connection]:
    """A transaction: committed at the end of the block, rolled back when it raises. Raises DatabaseAway."""
    with _named_failures(), _writer().begin() as connection:
        yield connection


Write = Callable[[Connection], None]


@cache
def _writer() -> Engine:
    return engine().execution_options(vedette_writes=True)


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as exc:
        raise DatabaseAway(f"The database failed: {exc.orig}", cure="See that it runs: vedette doctor") from exc


def _prepare_sqlite(raw: Any, _record: object) -> None:  # noqa: ANN401  a sqlite3.Connection
    raw.isolation_level = None  # SQLAlchemy's "begin" event below opens transactions, not the driver
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        raw.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that upgrades to writing fails at once with "database is locked"; IMMEDIATE waits its turn.
    is_writer = connection.get_execution_options().get("vedette_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
