"""Connections: a reader sees one moment, a writer all or nothing, and failures of any driver have one name."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from shared.errors import FailureClass, classify
from shared.store import engine, jobs, migrate, plugins
from shared.store.engine import DatabaseAway, reading, writing
from shared.store.tables import jobs as jobs_table
from tests.shared.store.making import ORG, make, new_job


def test_a_reader_sees_one_moment(database: str) -> None:
    make()
    with reading() as connection:
        count = select(func.count()).select_from(jobs_table)
        before = connection.execute(count).scalar_one()
        make(new_job(), new_job())
        assert connection.execute(count).scalar_one() == before
    with reading() as connection:
        assert connection.execute(count).scalar_one() == before + 2


def test_a_reader_waits_for_no_writer(database: str) -> None:
    make()
    with writing() as writer, reading() as reader:
        jobs.create(writer, [new_job()])
        assert len(jobs.page(reader, ORG, limit=9)) == 1


def test_what_a_reader_writes_is_not_kept(database: str) -> None:
    try:
        with reading() as connection:
            jobs.create(connection, [new_job()])
    except Exception as exc:  # noqa: BLE001  PostgreSQL refuses at once; its error is not the point
        assert "read-only" in str(exc)  # noqa: PT017
    with reading() as connection:
        assert jobs.page(connection, ORG, limit=1) == []


def test_a_database_that_is_away_is_an_infrastructure_failure(
    tmp_path: Path, fresh_settings: pytest.MonkeyPatch
) -> None:
    for url in (f"sqlite:///{tmp_path}/no/folder/v.db", f"postgresql://u:hunter2@/x?host={tmp_path}"):
        engine.forget()
        fresh_settings.setenv("VEDETTE_DATABASE_URL", url)
        from shared.settings import settings

        settings.cache_clear()
        for use in (reading, writing):
            with pytest.raises(DatabaseAway) as away, use() as connection:
                connection.execute(text("SELECT 1"))
            assert classify(away.value) is FailureClass.INFRASTRUCTURE
            assert "hunter2" not in away.value.message


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_statement_that_was_cut_off_is_an_infrastructure_failure(database: str) -> None:
    with pytest.raises(DatabaseAway), writing() as connection:  # noqa: PT012  the block is the transaction
        connection.execute(text("SET LOCAL statement_timeout = 50"))
        connection.execute(text("SELECT pg_sleep(10)"))


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_server_that_dropped_its_connections_is_found_again(database: str) -> None:
    make()
    with writing() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        connection.execute(text(f"{others} AND pid <> pg_backend_pid()"))
    make()


def test_a_forked_child_uses_connections_of_its_own(database: str) -> None:
    make()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            engine.forget()
            make()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    make()
    with reading() as connection:
        assert len(jobs.page(connection, ORG, limit=9)) == 3


def test_plugins_are_replaced_and_known(database: str) -> None:
    for names in (["pdf", "html"], ["html", "json"], [], ["csv"]):
        with writing() as connection:
            plugins.announce(connection, "formats", names)
            plugins.announce(connection, "channels", ["mailto"])
        with reading() as connection:
            assert plugins.known(connection, "formats") == sorted(names)
            assert plugins.known(connection, "channels") == ["mailto"]


def test_the_schema_is_the_newest(database: str) -> None:
    assert migrate.current() == migrate.head()


def test_threads_that_begin_at_once_share_one_engine(database: str) -> None:
    engine.forget()
    found: list[int] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(id(engine.engine()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
