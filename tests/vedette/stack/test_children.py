"""What the children of the local stack are told, and what `doctor` says of the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.stack.check import Check
from vedette.stack.children import environment
from vedette.stack.doctor import doctor
from vedette.stack.home import Layout, layout

POSTGRES = "postgresql://vedette:hunter2@db.example/vedette"


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Layout]:
    """An empty state folder, and an environment that names no database."""
    for name in ("VEDETTE_DATABASE_URL", "VEDETTE_DATABASE_URL_FILE", "VEDETTE_REDIS_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    return layout()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "database_url"
    file.write_text(POSTGRES + "\n")
    return file


def database() -> Check:
    return next(check for check in doctor() if check.name == "database")


def test_the_stack_keeps_a_database_of_its_own(where: Layout) -> None:
    assert environment(where, 1)["VEDETTE_DATABASE_URL"] == f"sqlite:///{where.database}"
    assert database().ok


def test_a_database_of_the_user_is_taken_by_its_url(where: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_DATABASE_URL", POSTGRES)
    assert environment(where, 1)["VEDETTE_DATABASE_URL"] == POSTGRES
    assert "by VEDETTE_DATABASE_URL;" in database().detail


def test_a_database_of_the_user_is_taken_by_a_file(
    where: Layout, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_DATABASE_URL_FILE", str(secret))
    told = environment(where, 1)
    assert "VEDETTE_DATABASE_URL" not in told
    assert told["VEDETTE_DATABASE_URL_FILE"] == str(secret)
    assert "PostgreSQL, by VEDETTE_DATABASE_URL_FILE" in database().detail
    assert "hunter2" not in database().detail


def test_a_file_that_cannot_be_read_is_named_by_its_variable(
    where: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_DATABASE_URL_FILE", str(tmp_path / "none"))
    assert database().ok is False
    assert "VEDETTE_DATABASE_URL_FILE" in database().detail
    assert database().cure


def test_an_sqlite_file_of_the_user_is_the_one_that_is_checked(
    where: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.db"
    sqlite3.connect(file).close()
    monkeypatch.setenv("VEDETTE_DATABASE_URL", f"sqlite:///{file}")
    assert (database().ok, database().detail) == (True, str(file))


def test_tokens_and_servers_of_the_user_are_not_handed_on(where: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_TOKEN", "hunter2")
    monkeypatch.setenv("VEDETTE_REDIS_URL", "redis://elsewhere.example")
    monkeypatch.setenv("VEDETTE_MASTER_KEY", "hunter2")
    told = environment(where, 1)
    assert "hunter2" not in told.values()
    assert "VEDETTE_REDIS_URL" not in told
    assert told["VEDETTE_MASTER_KEY_FILE"] == str(where.master_key)
