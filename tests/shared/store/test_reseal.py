from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import text

from shared import codec, keyring
from shared.contracts.job import StageName
from shared.contracts.submission import Options
from shared.settings import settings
from shared.store import deliveries, jobs
from shared.store.engine import reading, writing
from shared.store.ledger import Key
from shared.store.reseal import COLUMNS, main, reseal
from tests.shared.store.making import ORG, make, new_job

HOOK = "https://user:hunter2@hooks.example/T0/hunter2?x=1"
OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 8).decode()}" for name in ("olde", "newe"))


def given(patch: pytest.MonkeyPatch, master_key: str) -> None:
    patch.setenv("VEDETTE_MASTER_KEY", master_key)
    settings.cache_clear()
    keyring.forget()


def stored() -> list[str]:
    """The secrets as they lie in the database."""
    with reading() as connection:
        [request] = connection.execute(text("SELECT CAST(request AS TEXT) FROM jobs")).scalars()
        [destination] = connection.execute(text("SELECT destination FROM deliveries")).scalars()
    return [str(request), str(destination)]


def asked(job_id: str) -> list[str]:
    with reading() as connection:
        return jobs.request(connection, job_id)[1].notify


@pytest.fixture
def job_id(database: str, fresh_settings: pytest.MonkeyPatch) -> str:
    del database
    given(fresh_settings, OLD)
    [made] = make(new_job(options=Options(notify=[HOOK])))
    with writing() as connection:
        deliveries.begin(connection, Key(made, ORG, StageName.NOTIFY), "webhook", HOOK)
    return made


def test_destinations_are_sealed_where_they_are_stored_and_read_as_they_were(job_id: str) -> None:
    assert asked(job_id) == [HOOK]
    for each in stored():
        assert "hunter2" not in each
        assert f"{codec.MARK}olde:" in each


def test_after_a_rotation_they_are_sealed_anew_and_the_old_key_may_go(
    job_id: str, fresh_settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(fresh_settings, f"{NEW},{OLD}")
    assert asked(job_id) == [HOOK]
    assert reseal() == (2, 0)
    assert reseal() == (0, 0)
    given(fresh_settings, NEW)
    assert asked(job_id) == [HOOK]
    assert all(f"{codec.MARK}newe:" in each for each in stored())
    assert main() == 0
    assert capsys.readouterr().out == "0 secrets were sealed with the key newe; 0 have a key that is gone.\n"


def test_a_job_whose_key_is_gone_can_be_read_but_not_its_secret(
    job_id: str, fresh_settings: pytest.MonkeyPatch
) -> None:
    given(fresh_settings, NEW)
    [destination] = asked(job_id)
    assert codec.key_of(destination) == "olde"
    before = stored()
    assert reseal() == (0, 2)
    assert main() == 1
    assert stored() == before


def test_what_lies_there_plain_is_of_before_and_is_sealed(job_id: str) -> None:
    with writing() as connection:
        connection.execute(text("UPDATE deliveries SET destination = :plain"), {"plain": HOOK})
    assert reseal() == (1, 0)
    assert "hunter2" not in stored()[1]


def test_every_column_with_secrets_is_sealed_anew() -> None:
    found: Any = {f"{table.name}.{column.name}" for table, column in COLUMNS}
    of_orgs = {"jobs.request", "deliveries.destination", "batches.options", "operations.params"}
    assert found == of_orgs | {"alert_notices.destination"}
