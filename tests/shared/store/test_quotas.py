from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from shared import admission
from shared.contracts.kinds.host import Target
from shared.contracts.limits import Limits
from shared.contracts.submission import Options
from shared.ids import new_id, now
from shared.store import cancellation, outbox, quotas
from shared.store.engine import reading, writing
from shared.store.quotas import QuotaExceeded, TooManyTargets
from shared.store.tables import jobs, members, organisations, users

ORG = "org"


@pytest.fixture(autouse=True)
def org(database: str) -> None:
    with writing() as connection:
        row = {"id": ORG, "name": "Org", "limits": {}, "created_at": now()}
        connection.execute(insert(organisations), row)


def _limit(**own: int) -> None:
    with writing(ORG) as connection:
        quotas.change(connection, ORG, Limits(**own))


def _submit(count: int = 1, by: str = "token", counted_for: str = "") -> list[str]:
    options = Options()
    new = [admission.draft(ORG, Target(host="127.0.0.1"), options) for _ in range(count)]
    with writing(ORG) as connection:
        return admission.write(connection, new, by, counted_for)


def _sendable(ids: list[str]) -> list[str]:
    with reading(ORG) as connection:
        return [each.envelope.job_id for each in outbox.outgoing(connection, ids)]


def _end(ids: list[str]) -> None:
    with writing(ORG) as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(state="succeeded", finished_at=now()))


def _release() -> list[str]:
    with writing(ORG) as connection:
        return quotas.release(connection, ORG)


def test_a_job_knows_who_asked_for_it() -> None:
    [job_id] = _submit(by="user:ada@example.org")
    with reading(ORG) as connection:
        assert (
            connection.execute(select(jobs.c.created_by).where(jobs.c.id == job_id)).scalar() == "user:ada@example.org"
        )


def test_without_limits_nothing_is_held() -> None:
    ids = _submit(3)
    assert _sendable(ids) == ids
    with reading() as connection:
        assert quotas.holding(connection) == []


def test_what_is_too_much_for_an_hour_is_refused_until_there_is_room() -> None:
    _limit(jobs_per_hour=3)
    _submit(2)
    with pytest.raises(QuotaExceeded) as refused:
        _submit(2)
    assert 3590 <= int(refused.value.headers["Retry-After"]) <= 3602
    assert len(_submit(1)) == 1


def test_what_never_fits_into_an_hour_is_not_to_be_tried_again() -> None:
    _limit(jobs_per_hour=3)
    with pytest.raises(TooManyTargets, match="4 jobs are more than"):
        _submit(4)


def test_jobs_of_the_hour_before_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    _limit(jobs_per_hour=1)
    _submit()
    monkeypatch.setattr(quotas, "HOUR", timedelta(0))
    assert _submit()


def test_a_submission_has_a_most() -> None:
    _limit(targets_per_batch=2)
    _submit(2)
    with pytest.raises(TooManyTargets, match="3 targets are more than the organisation may submit at once: 2"):
        _submit(3)


def test_jobs_beyond_the_limit_wait_and_begin_in_order_when_others_end() -> None:
    _limit(concurrent_jobs=2)
    ids = _submit(5)
    assert _sendable(ids) == ids[:2]
    with reading() as connection:
        assert quotas.holding(connection) == [ORG]
        assert outbox.unpublished(connection, now() + timedelta(seconds=1)) == ids[:2]
    assert _release() == []
    _end(ids[:1])
    assert _release() == ids[2:3]
    _end(ids[1:3])
    assert _release() == ids[3:]
    with reading() as connection:
        assert quotas.holding(connection) == []


def test_places_go_round_among_those_who_wait() -> None:
    _limit(concurrent_jobs=2)
    first = _submit(10, by="user:a@example.org")
    second = _submit(2, by="user:b@example.org")
    _end(first[:1])
    assert _release() == second[:1]
    _end(first[1:2])
    assert _release() == [first[2]]


def test_a_held_job_that_is_cancelled_takes_no_place() -> None:
    _limit(concurrent_jobs=1)
    ids = _submit(3)
    with writing(ORG) as connection:
        cancellation.cancel(connection, ids[1:2], ORG, "token")
    _end(ids[:1])
    assert _release() == ids[2:]


def test_a_limit_that_is_taken_away_lets_all_go() -> None:
    _limit(concurrent_jobs=1)
    ids = _submit(3)
    _limit()
    assert sorted(_release()) == ids[1:]


def test_a_member_and_their_keys_have_limits_below_those_of_the_organisation() -> None:
    user_id = new_id()
    with writing() as connection:
        about = {"id": user_id, "email": "a@example.org", "name": "", "password_hash": "-", "created_at": now()}
        connection.execute(insert(users), about)
        row = {"org_id": ORG, "user_id": user_id, "role": "operator", "created_at": now()}
        connection.execute(insert(members), {**row, "limits": {"concurrent_jobs": 1, "jobs_per_hour": 3}})
    mine = [*_submit(1, "user:a@example.org", user_id), *_submit(1, "key:of a", user_id)]
    others = _submit(2, by="user:b@example.org")
    assert _sendable(mine + others) == [mine[0], *others]
    with pytest.raises(QuotaExceeded, match="You submitted 2 of 3 jobs"):
        _submit(2, "key:another of a", user_id)


@pytest.mark.parametrize("limit", ["jobs_per_hour", "concurrent_jobs"])
def test_two_at_once_do_not_share_a_place(limit: str) -> None:
    _limit(**{limit: 5})
    accepted: list[str] = []

    def submit() -> None:
        for _ in range(3):
            try:
                accepted.extend(_submit())
            except QuotaExceeded:
                return

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == (5 if limit == "jobs_per_hour" else 12)
    assert len(_sendable(accepted)) == 5


def test_what_is_used_is_told() -> None:
    _limit(concurrent_jobs=2, jobs_per_hour=10)
    _submit(3)
    with reading(ORG) as connection:
        seen = quotas.view(connection, ORG, "token")
    assert (seen.jobs_per_hour.used, seen.jobs_per_hour.remaining) == (3, 7)
    assert (seen.concurrent_jobs.used, seen.concurrent_jobs.remaining, seen.waiting) == (2, 0, 1)
    assert seen.next_at


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (select(jobs.c.id).where(jobs.c.org_id == ORG, *quotas._HELD).order_by(jobs.c.counted_for), "ix_jobs_held"),
        (
            select(jobs.c.counted_for).where(jobs.c.org_id == ORG, *quotas._UNDER_WAY).group_by(jobs.c.counted_for),
            "ix_jobs_active",
        ),
    ],
)
def test_indexes_answer(database: str, query: object, index: str) -> None:
    if not database.startswith("sqlite"):
        return  # PostgreSQL reads a small table as a whole
    sql = str(query.compile(compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]  # of either sort
    with reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()
    assert index in str(plan)
