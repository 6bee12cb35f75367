"""Servers that all tests share (one Redis, one PostgreSQL), and state that none shares."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import structlog
from structlog.dev import plain_traceback

from shared import bus, testing
from shared.settings import settings
from shared.store import engine, migrate

structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.dev.ConsoleRenderer(False, exception_formatter=plain_traceback),
    ]
)


def missing(what: str) -> None:
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
    _forget()
    yield monkeypatch
    _forget()


@pytest.fixture(params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, schemas: dict[str, str], fresh_settings: pytest.MonkeyPatch
) -> str:
    """An empty, migrated database of each sort; its URL. The settings name it."""
    make = _sqlite if request.param == "sqlite" else _postgres
    server = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    if request.param not in schemas:
        schemas[request.param] = template = make(server, request.getfixturevalue("schema_folder"), "")
        fresh_settings.setenv("VEDETTE_DATABASE_URL", template)
        migrate.upgrade()
        _forget()
    url = make(server, tmp_path, schemas[request.param])
    fresh_settings.setenv("VEDETTE_DATABASE_URL", url)
    return url


@pytest.fixture(scope="session")
def schemas() -> dict[str, str]:
    """The URLs of migrated databases that nobody uses, by sort: copying one takes a tenth of migrating another."""
    return {}


@pytest.fixture(scope="session")
def schema_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schema")


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


def _forget() -> None:
    if engine.engine.cache_info().currsize:
        engine.engine().dispose()
    engine.forget()
    if bus.client.cache_info().currsize:
        bus.client().close()
    bus.forget()
    settings.cache_clear()
