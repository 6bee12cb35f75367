"""Connections to SQLite (WAL) or PostgreSQL. `reading` sees one snapshot; `writing` is one transaction, or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from shared.errors import Infrastructure
from shared.settings import settings
from shared.store import sqlite, tenancy
from shared.store.dialect import twin
from shared.text import as_json

__all__ = [
    "Connection",
    "DatabaseAway",
    "Write",
    "engine",
    "forget",
    "insert_missing",
    "insert_new",
    "make_engine",
    "reading",
    "writing",
]

CONNECT_TIMEOUT_S = 5  # a database that is away is noticed, not waited for


class DatabaseAway(Infrastructure):
    """The database does not answer, or refused the connection."""


@cache
def engine() -> Engine:
    """Return this process's engine. A forked child must call `forget` first: connections do not survive a fork."""
    with _making:  # `cache` lets several threads in at once, and the pool of all but one would be lost, open
        return _made(settings().database_url.get_secret_value())


def make_engine(url: str) -> Engine:
    """Return an engine for `sqlite:///path` or `postgresql://…`."""
    if urlsplit(url).scheme == "sqlite":
        made = create_engine(url, json_serializer=as_json, connect_args={"timeout": sqlite.BUSY_TIMEOUT_S})
        event.listen(made, "connect", sqlite.prepare)
        made.dialect = twin(made.dialect, do_begin=sqlite.begin_reading)
        return made
    url = url.replace("postgresql://", "postgresql+psycopg://", 1).replace("postgres://", "postgresql+psycopg://", 1)
    return create_engine(
        url,
        json_serializer=as_json,
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
    for one in (engine, _made, _reader, _writer, _bound_reader, _bound_writer):
        one.cache_clear()


@contextmanager
def reading(org_id: str | None = None) -> Iterator[Connection]:
    """A connection to read from, all of it as it was at the first question. Raises DatabaseAway.

    org_id: whose rows are seen; None: those of all, for what works for the whole installation.
    """
    with _named_failures(), (_reader() if org_id is None else _bound_reader()).connect() as connection:
        if org_id is not None:
            tenancy.bind(connection, org_id)
        yield connection


@contextmanager
def writing(org_id: str | None = None) -> Iterator[Connection]:
    """A transaction: committed at the end of the block, rolled back when it raises. Raises DatabaseAway.

    org_id: whose rows are seen and changed; None: those of all, for what works for the whole installation.
    """
    with _named_failures(), (_writer() if org_id is None else _bound_writer()).connect() as connection:
        if org_id is not None:
            tenancy.bind(connection, org_id)
        with connection.begin():
            yield connection


Write = Callable[[Connection], None]


def insert_missing(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose key is not there yet, whoever else does the same at this moment."""
    if rows:
        connection.execute(_missing(connection, table), rows)


def insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row; return False where its key is there, or is written by somebody else at this moment."""
    inserted = _missing(connection, table).returning(*table.primary_key)  # a count comes from one database alone
    return connection.execute(inserted, row).first() is not None


def _missing(connection: Connection, table: Table) -> Insert:
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    return insert(table).on_conflict_do_nothing()


_making = threading.Lock()


@cache
def _made(url: str) -> Engine:
    return make_engine(url)


@cache
def _reader() -> Engine:
    # PostgreSQL's own default sees every commit between two questions: a job would not match its steps.
    is_server = engine().dialect.name == "postgresql"
    snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if is_server else {}
    return engine().execution_options(**snapshot)


@cache
def _writer() -> Engine:
    made = engine().execution_options()
    if made.dialect.name == "sqlite":
        made.dialect = twin(made.dialect, do_begin=sqlite.begin_writing)
    return made


@cache
def _bound_reader() -> Engine:
    return tenancy.bound(_reader())


@cache
def _bound_writer() -> Engine:
    return tenancy.bound(_writer())


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as exc:
        raise DatabaseAway(f"The database failed: {exc.orig}", cure="See that it runs: vedette doctor") from exc
    except PoolExhausted as exc:
        raise DatabaseAway("All connections to the database are in use.", cure="Try again, or run more.") from exc
