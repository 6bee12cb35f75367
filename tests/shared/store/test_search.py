"""What queries find in the store, the same on both databases; whatever is written, nothing breaks and nothing leaks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as how
from sqlalchemy import func, insert, select, update

from shared.contracts.dead_letter import DeadLetterState, Reason
from shared.contracts.job import Failure, JobState, Priority, StageName
from shared.contracts.query import QueryWrong
from shared.contracts.submission import Options
from shared.errors import FailureClass
from shared.ids import new_id, now
from shared.store import jobs as store
from shared.store import ledger, search
from shared.store.engine import reading, writing
from shared.store.tables import dead_letters, jobs
from tests.shared.contracts.test_query import PIECES
from tests.shared.store.making import ORG, make, new_job, run_through, take_step

HOSTS = ["10.0.0.1", "10.0.0.10", "10.0.1.7", "10.0.16.1", "2001:db8::5", "2001:db8:0:1::5", "10.0.0.db.example.org"]


@pytest.fixture
def ids(database: str) -> dict[str, str]:
    """Jobs by target; the first succeeded, the second failed, the third is at `process`, the last has a dead letter."""
    tagged = {"10.0.0.10": Options(tags={"nightly": "yes"}), "10.0.1.7": Options(tags={"env": 'p"rod'})}
    made = make(
        *(new_job(host, options=tagged.get(host, Options()), lane="scan", batch_id="b-1") for host in HOSTS[:-1]),
        new_job(HOSTS[-1], options=Options(priority=Priority.LOW), lane="scan.heavy"),
    )
    run_through(made[0])
    fail(made[1], StageName.SCAN)
    run_through(made[2], StageName.SCAN)
    with writing() as connection:
        old = now() - timedelta(days=3)
        connection.execute(update(jobs).where(jobs.c.id == made[3]).values(created_at=old))
        connection.execute(insert(dead_letters), letter(made[-1], HOSTS[-1]))
    return dict(zip(HOSTS, made, strict=True))


def fail(job_id: str, stage: StageName) -> None:
    taken = take_step(job_id, stage)
    failure = Failure(code="api-down", failure_class=FailureClass.EXTERNAL, message="m", stage=stage)
    with writing() as connection:
        ledger.fail(connection, taken, failure)
    run_through(job_id, StageName.NOTIFY)


def letter(job_id: str, target: str, **fields: Any) -> dict[str, Any]:
    made = {
        "id": new_id(),
        "org_id": ORG,
        "job_id": job_id,
        "stage": StageName.SCAN,
        "target": target,
        "target_kind": "host",
        "queue": "scan.heavy",
        "reason": Reason.POISON,
        "failure_class": FailureClass.RESOURCE,
        "is_poison": True,
        "state": DeadLetterState.QUARANTINED,
        "error": {},
        "fingerprint": "f1",
        "raw": b"",
        "first_failed_at": now() - timedelta(hours=2),
        "last_failed_at": now() - timedelta(minutes=5),
    }
    return {**made, **fields}


def found(text: str) -> set[str]:
    with reading() as connection:
        return {view.target for view in store.page(connection, ORG, limit=50, q=text)}


def letters(text: str) -> int:
    with reading() as connection:
        query = select(func.count()).select_from(dead_letters).where(search.dead_letters(text))
        return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", range(7)),
        ("state:succeeded", [0]),
        ("state:succeeded,failed", [0, 1]),
        ("-state:succeeded,failed", range(2, 7)),
        ("target:10.0.0.1", [0]),
        ("10.0.0.1", [0, 1]),
        ("target:10.0.0.0/24", [0, 1]),
        ("10.0.0.0/24", [0, 1]),
        ("-target:10.0.0.0/24", range(2, 7)),
        ("target:10.0.0.0/20", [0, 1, 2]),
        ("target:10.0.0.5-20", [1]),
        ("target:10.0.0.0/8", [0, 1, 2, 3]),
        ("target:2001:db8::/48", [4, 5]),
        ("target:2001:DB8::0:5", [4]),
        ("target:::/0", [4, 5]),
        ("target:EXAMPLE", [6]),
        ("tag:nightly", [1]),
        ("-tag:nightly", [0, 2, 3, 4, 5, 6]),
        ("tag:nightly=yes", [1]),
        ("tag:nightly=no", []),
        (r'tag:"env=p\"rod"', [2]),
        ("class:external", [1]),
        ("-class:external", [0, 2, 3, 4, 5, 6]),
        ("code:api-down stage:scan", [1]),
        ("stage:process", [2]),
        ("queue:process", [2]),
        ("queue:scan.heavy", [6]),
        ("reason:poison", [6]),
        ("priority:low", [6]),
        ("kind:host -batch:b-1", [6]),
        ("created:>24h", [3]),
        ("created:<24h -queue:scan", [6]),
        ("ended:<1h", [0, 1]),
        ("failed:<1h", [1]),
        ("failed:>1h", []),
    ],
)
def test_jobs(ids: dict[str, str], text: str, places: list[int]) -> None:
    assert found(text) == {HOSTS[place] for place in places}


def test_an_id_is_found_by_either_end(ids: dict[str, str]) -> None:
    for job_id in (ids["10.0.0.1"], ids["10.0.0.1"][-8:], ids["10.0.0.1"][-8:].upper()):
        assert found(f"id:{job_id}") == {"10.0.0.1"}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("state:quarantined class:poison reason:poison queue:scan.heavy kind:host stage:scan group:f1", 1),
        ("class:resource example.org", 1),
        ("state:open", 0),
        ("target:10.0.0.0/8", 0),
        ("failed:<10m created:>1h -ended:>1s -tag:nightly", 1),
        ("tag:nightly", 0),
    ],
)
def test_dead_letters(ids: dict[str, str], text: str, count: int) -> None:
    assert letters(text) == count


def test_unknown_words_are_refused(ids: dict[str, str]) -> None:
    with pytest.raises(QueryWrong):
        found("colour:red")


@how(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(PIECES)
@example("target:'); DROP TABLE jobs; --")
@example("tag:a' OR 1=1")
@example('code:"\'" id:%_ target:%,\\')
@example("target:" + ",".join(["10.0.0.0/9"] * 60))
@example(" ".join(["a"] * 100))
def test_whatever_is_asked_the_store_answers(ids: dict[str, str], text: str) -> None:
    try:
        found(text)
        letters(text)
    except QueryWrong:
        pass
    with reading() as connection:
        count = connection.execute(select(func.count()).select_from(jobs)).scalar_one()
        assert count == len(HOSTS)
        assert connection.execute(select(jobs.c.state).where(jobs.c.state == JobState.FAILED)).scalar_one()
