"""Servers that all tests share (one Redis, one PostgreSQL), and state that none shares."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shared import bus, testing
from shared.settings import settings
from shared.store import engine, migrate


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
def database(request: pytest.FixtureRequest, tmp_path: Path, fresh_settings: pytest.MonkeyPatch) -> str:
    """An empty, migrated database of each sort; its URL. The settings name it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/v.db"
    else:
        server = request.getfixturevalue("postgres_url")
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        url = server.replace("/postgres?", f"/{name}?")
    fresh_settings.setenv("VEDETTE_DATABASE_URL", url)
    migrate.upgrade()
    return url


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
    engine.engine.cache_clear()
    if bus.client.cache_info().currsize:
        bus.client().close()
    bus.forget()
    settings.cache_clear()
