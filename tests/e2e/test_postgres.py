"""The local stack on a PostgreSQL of the user."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shared import testing
from tests.e2e.conftest import Home, free_port, gone

pytestmark = pytest.mark.e2e


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """The URL of a database without a schema."""
    name = f"e{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield postgres_url.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_stack_on_postgresql_scans_reports_and_lists(
    home: Home, greeter: int, empty_database: str, tmp_path: Path
) -> None:
    secret = tmp_path / "database_url"
    secret.write_text(empty_database)
    own = {"VEDETTE_DATABASE_URL_FILE": str(secret)}
    started = home.run("up", "--detach", "--port", str(free_port()), **own)
    assert started.returncode == 0, started.stderr
    everybody = home.everybody()
    out = tmp_path / "out"
    asked = ("--ports", str(greeter), "--report", "json", "--wait", "--output-dir", str(out))
    scanned = home.run("scan", "host", "127.0.0.1", *asked, **own)
    assert scanned.returncode == 0, scanned.stderr
    [report] = out.iterdir()
    [listed] = json.loads(home.run("jobs", "list", "-o", "json", **own).stdout)
    assert listed["id"] == json.loads(report.read_text())["job"]["id"]
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT id, state FROM jobs").fetchall() == [(listed["id"], "succeeded")]
    assert not (home.folder / "home/data/vedette.db").exists()
    assert home.run("down", **own).returncode == 0
    testing.wait_for(gone(everybody), "nothing of the stack is left")
