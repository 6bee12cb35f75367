"""Migrations: safe twice, safe at once, and what they make is what the tables say."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, insert, select

from shared.store import audit, engine, migrate, proof, tables
from shared.store.tables import metadata


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path, fresh_settings: pytest.MonkeyPatch) -> str:
    """A database without a schema; its URL."""
    url = f"sqlite:///{tmp_path}/v.db"
    if request.param == "postgres":
        server, name = request.getfixturevalue("postgres_url"), f"m{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        url = server.replace("/postgres?", f"/{name}?")
    fresh_settings.setenv("VEDETTE_DATABASE_URL", url)
    return url


def test_a_new_database_has_no_revision(empty: str) -> None:
    assert migrate.current() == ""


def test_migrating_twice_is_migrating_once(empty: str) -> None:
    migrate.upgrade()
    migrate.upgrade()
    assert migrate.current() == migrate.head() != ""


def test_the_migrated_schema_is_that_of_the_tables(empty: str) -> None:
    migrate.upgrade()
    with engine.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
        assert compare_metadata(context, metadata) == []


def test_processes_that_migrate_at_once_all_succeed(empty: str) -> None:
    command = [sys.executable, "-m", "shared.store.migrate"]
    environment = {**os.environ, "VEDETTE_DATABASE_URL": empty}
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(3)]
    failed = [process.communicate(timeout=60)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], failed
    assert migrate.current() == migrate.head()


def test_what_a_job_left_behind_is_of_its_organisation(empty: str) -> None:
    _upgrade_to("0002")
    at = datetime(2026, 1, 2, tzinfo=UTC)
    with engine.writing() as connection:
        old = MetaData()
        old.reflect(connection, only=["jobs", "steps", "coverage"])
        for org_id in ("local", "other"):
            texts = dict.fromkeys(("kind", "target", "target_key", "profile", "priority", "lane", "state"), "x")
            job = {"id": f"job-{org_id}", "org_id": org_id, **texts, "created_at": at}
            documents: dict[str, object] = {"request": {}, "tags": {}, "severities": {}}
            traces = {"trace_id": "", "traceparent": ""}
            connection.execute(insert(old.tables["jobs"]).values(**job, **documents, **traces))
            of_job = {"job_id": f"job-{org_id}"}
            counts = dict.fromkeys(("attempt", "retries", "lost"), 0)
            names = {"stage": "scan", "part": "", "state": "x", "delivery": "", "worker": "", "summary": ""}
            connection.execute(insert(old.tables["steps"]).values(**of_job, **counts, **names))
            connection.execute(insert(old.tables["coverage"]).values(**of_job, data={}))
    migrate.upgrade()
    for table in (tables.steps, tables.coverage):
        with engine.reading() as connection:
            found = {tuple(row) for row in connection.execute(select(table.c.job_id, table.c.org_id))}
        assert found == {("job-local", "local"), ("job-other", "other")}


def test_the_audit_of_before_is_the_beginning_of_the_chains(empty: str) -> None:
    _upgrade_to("0002")
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    with engine.writing() as connection:
        old = MetaData()
        old.reflect(connection, only=["audit"])
        for number, org_id in enumerate(("local", "other", "local")):
            said = {"action": "job.retry", "subject": f"job:{number}", "detail": {"n": number, "of": ["x", 1.0]}}
            connection.execute(
                insert(old.tables["audit"]).values(org_id=org_id, at=at, actor="ann", trace_id="", **said)
            )
    migrate.upgrade()
    with engine.writing("local") as connection:
        audit.add(connection, "local", "ann", "job.cancel", "job:9")
        found = audit.page(connection, "local", limit=10)
        verdicts = [proof.verify(connection, "local")]
    with engine.reading("other") as connection:
        verdicts.append(proof.verify(connection, "other"))
    assert [(each.seq, each.subject) for each in found] == [(3, "job:9"), (2, "job:2"), (1, "job:0")]
    assert (found[1].at, found[1].actor, found[1].detail) == (at, "ann", {"n": 2, "of": ["x", 1]})
    assert [(each.ok, each.checked) for each in verdicts] == [(True, 3), (True, 1)]


def _upgrade_to(revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    with engine.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
