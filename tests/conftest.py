"""Servers that all tests share (one Redis, one PostgreSQL), and state that none shares."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import hypothesis
import psycopg
import pytest
import structlog
from opentelemetry.sdk.trace import SpanProcessor
from structlog.dev import plain_traceback

from shared import bus, keyring, telemetry, testing
from shared.broker import client
from shared.settings import settings
from shared.store import engine, migrate, tables
from tests.printing import Lines

structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.dev.ConsoleRenderer(False, exception_formatter=plain_traceback),
    ],
    logger_factory=lambda *_: Lines(),
)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else no process of a test would hear of Ctrl-C

os.environ.setdefault("VEDETTE_MASTER_KEY", testing.MASTER_KEY)  # for the processes that tests start

hypothesis.settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's business
hypothesis.settings.load_profile("untimed")

telemetry.begin("tests", [SpanProcessor()])  # real spans, which nobody keeps

SORTS = ["sqlite", "postgres"]


def missing(what: str) -> NoReturn:
    """Skip on a laptop; fail where everything must run."""
    if testing.MUST_RUN:
        pytest.fail(f"VEDETTE_TEST_ALL=1, but {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[testing.RedisServer]:
    try:
        with testing.redis_server() as server:
            yield server
    except testing.Missing as exc:
        missing(str(exc))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    try:
        with testing.postgres_server() as url:
            yield url
    except testing.Missing as exc:
        missing(str(exc))


@pytest.fixture
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Settings, engine and bus that are read anew, and forgotten after the test."""
    for name in [name for name in os.environ if name.startswith("VEDETTE_") and name != "VEDETTE_TEST_ALL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VEDETTE_MASTER_KEY", testing.MASTER_KEY)
    monkeypatch.setenv("VEDETTE_PRIVATE_TARGETS", "true")  # what tests scan is on loopback
    forget()
    yield monkeypatch
    forget()


@pytest.fixture(params=SORTS)
def database(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    clean_database: Callable[[str, Path], str],
    fresh_settings: pytest.MonkeyPatch,
) -> str:
    """An empty, migrated database of each sort; its URL. The settings name it."""
    url = clean_database(request.param, tmp_path)
    fresh_settings.setenv("VEDETTE_DATABASE_URL", url)
    return url


@pytest.fixture(scope="session")
def clean_database(new_database: Callable[[str, Path], str]) -> Callable[[str, Path], str]:
    """Return the URL of an empty, migrated database of a sort, for one test at a time.

    On PostgreSQL it is one for all tests: emptying it takes a tenth of the time of making another.
    """
    shared: list[str] = []

    def clean(sort: str, folder: Path) -> str:
        if sort == "sqlite":
            return new_database(sort, folder)
        if not shared:
            shared.append(new_database(sort, folder))
        _empty(shared[0])
        return shared[0]

    return clean


@pytest.fixture(scope="session")
def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Path], str]:
    """Make an empty, migrated database of a sort (in a folder, for SQLite) and return its URL.

    Copies one that nobody uses: that takes a tenth of the time of migrating another.
    """
    templates: dict[str, str] = {}

    def make(sort: str, folder: Path) -> str:
        create = _sqlite if sort == "sqlite" else _postgres
        server = "" if sort == "sqlite" else request.getfixturevalue("postgres_url")
        if sort not in templates:
            with pytest.MonkeyPatch.context() as patch:
                templates[sort] = create(server, tmp_path_factory.mktemp("template"), "")
                patch.setenv("VEDETTE_DATABASE_URL", templates[sort])
                forget()
                migrate.upgrade()
            forget()
        return create(server, folder, templates[sort])

    return make


LOCAL = """INSERT INTO organisations (id, name, limits, created_by, created_at)
VALUES ('local', 'Local', '{}', 'installation', CURRENT_TIMESTAMP)"""  # as the migration makes it


def _empty(url: str) -> None:
    """Delete all rows, and begin counting anew. Connections that a test before left open are closed."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    names = [table.name for table in reversed(tables.metadata.sorted_tables)]
    deletions = [f"DELETE FROM {name}" if name != "audit" else "TRUNCATE audit" for name in names]  # append-only
    restarts = [f"ALTER SEQUENCE {name}_id_seq RESTART" for name in ("audit", "events", "observations")]
    with psycopg.connect(url) as connection:
        connection.execute(f"{others} AND pid <> pg_backend_pid()".encode())
        connection.execute("; ".join([*deletions, *restarts, LOCAL]).encode())


def _sqlite(_server: str, folder: Path, template: str) -> str:
    if template:
        shutil.copy(template.removeprefix("sqlite:///"), folder / "v.db")
    return f"sqlite:///{folder}/v.db"


def _postgres(server: str, _folder: Path, template: str) -> str:
    name = f"t{uuid.uuid4().hex[:12]}"
    copied = f" TEMPLATE {template.partition('?')[0].rpartition('/')[2]}" if template else ""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{copied}".encode())
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def bus_url(redis_server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch) -> str:
    """A bus without events; its URL. The settings name it."""
    fresh_settings.setenv("VEDETTE_REDIS_URL", redis_server.url)
    settings.cache_clear()
    bus.client().flushall()
    return settings().bus_url


def forget() -> None:
    """Have this process read its settings anew and open its connections anew."""
    if engine.engine.cache_info().currsize:
        engine.engine().dispose()
    engine.forget()
    if bus.client.cache_info().currsize:
        bus.client().close()
    bus.forget()
    client.forget()
    keyring.forget()
    settings.cache_clear()
