"""Figures of jobs that ended, on both databases, held against the same figures by hand."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from shared.contracts.job import JobState, Profile
from shared.contracts.statistics import Bucket, Came, Interval, Overview
from shared.contracts.submission import Options
from shared.ids import now
from shared.store import search, statistics
from shared.store.engine import engine, reading, writing
from shared.store.tables import jobs
from tests.shared.store.making import ORG, make, new_job

pytestmark = pytest.mark.usefixtures("database")

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ENDS = [JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.DEAD, JobState.CANCELLED]


def end(at: datetime, ran_s: float | None, state: JobState = JobState.SUCCEEDED, **fields: Any) -> None:
    """Write a job that ended then. ran_s: for how long it ran, or None for one that never began."""
    [job_id] = make(new_job(**fields))
    began = None if ran_s is None else at - timedelta(seconds=ran_s)
    with writing() as connection:
        change = update(jobs).where(jobs.c.id == job_id).values(state=state, started_at=began, finished_at=at)
        connection.execute(change)


def overview(org_id: str = ORG) -> Overview:
    with reading(org_id) as connection:
        return statistics.overview(connection, org_id, now() - timedelta(hours=24))


def kinds() -> list[tuple[str, str, dict[JobState, int], float | None, float | None]]:
    with reading(ORG) as connection:
        found = statistics.kinds(connection, ORG, now() - timedelta(hours=24))
    return [(each.kind, each.profile, each.states, each.success_rate, each.p95_s) for each in found]


def series(every: Interval, since: datetime = NOON - timedelta(days=2), org_id: str = ORG) -> list[Bucket]:
    with reading(org_id) as connection:
        return statistics.timeseries(connection, org_id, every, since)


def came(figures: Came) -> tuple[float | None, ...]:
    return (figures.success_rate, figures.average_s, figures.p50_s, figures.p95_s)


def test_of_no_jobs_there_is_no_rate_and_no_time() -> None:
    assert overview() == Overview()
    assert series(Interval.DAY) == []


def test_percentiles_are_those_of_real_jobs() -> None:
    for ran_s in range(1, 21):
        end(now(), float(ran_s))
    assert came(overview()) == (1.0, 10.5, 10.0, 19.0)


def test_one_job_is_every_percentile() -> None:
    end(now(), 1.234)
    assert came(overview()) == (1.0, 1.234, 1.234, 1.234)


def test_equal_times_are_one_value() -> None:
    for _ in range(7):
        end(now(), 2.5)
    assert came(overview()) == (1.0, 2.5, 2.5, 2.5)


def test_what_was_cancelled_or_never_began_tells_no_time() -> None:
    end(now(), 900.0, JobState.CANCELLED)
    end(now(), None, JobState.CANCELLED)
    seen = overview()
    assert (seen.finished, seen.failed, came(seen)) == (2, 0, (None, None, None, None))
    end(now(), None, JobState.DEAD)
    end(now(), 3.0, JobState.PARTIAL)
    seen = overview()
    assert (seen.finished, seen.failed, came(seen)) == (4, 1, (0.5, 3.0, 3.0, 3.0))


def test_the_overview_reaches_back_a_day_and_into_no_other_organisation() -> None:
    end(now() - timedelta(hours=25), 50.0, JobState.FAILED)
    end(now() - timedelta(hours=23), 4.0)
    end(now(), 70.0, JobState.FAILED, org_id="other")
    make(new_job())
    seen = overview()
    assert (seen.finished, seen.failed, came(seen)) == (1, 0, (1.0, 4.0, 4.0, 4.0))
    assert seen.states == {JobState.SUCCEEDED: 1, JobState.FAILED: 1, JobState.QUEUED: 1}


@pytest.mark.parametrize(
    ("every", "begins"),
    [
        (Interval.MINUTE, [NOON - timedelta(minutes=1), NOON, NOON + timedelta(minutes=59)]),
        (Interval.HOUR, [NOON - timedelta(hours=1), NOON]),
        (Interval.DAY, [NOON.replace(hour=0)]),
    ],
    ids=["minute", "hour", "day"],
)
def test_a_series_has_the_intervals_in_which_jobs_ended(every: Interval, begins: list[datetime]) -> None:
    for moment in (NOON, NOON - timedelta(microseconds=1), NOON + timedelta(minutes=59, seconds=59, microseconds=999)):
        end(moment, 1.0)
    assert [bucket.at for bucket in series(every)] == begins


def test_a_series_leaves_out_what_ended_before() -> None:
    end(NOON - timedelta(seconds=1), 1.0)
    end(NOON, 2.0)
    (bucket,) = series(Interval.DAY, NOON)
    assert (bucket.states, bucket.p95_s) == ({JobState.SUCCEEDED: 1}, 2.0)


def test_kinds_and_profiles_are_told_apart_the_busiest_first() -> None:
    quick, standard = Options(profile=Profile.QUICK), Options()
    end(now(), 1.0, options=quick)
    end(now(), 30.0, options=standard)
    end(now(), 20.0, JobState.FAILED, options=standard)
    end(now(), 70.0, options=standard, org_id="other")
    assert kinds() == [
        ("host", "standard", {JobState.SUCCEEDED: 1, JobState.FAILED: 1}, 0.5, 30.0),
        ("host", "quick", {JobState.SUCCEEDED: 1}, 1.0, 1.0),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_the_same_by_hand(seed: int) -> None:
    chance = random.Random(seed)
    ended = [
        (NOON + timedelta(minutes=chance.randrange(150)), chance.randrange(1, 90_000) / 1000, chance.choice(ENDS))
        for _ in range(120)
    ]
    for each in ended:
        end(*each)
    for bucket in series(Interval.HOUR):
        mine = [(ran_s, state) for at, ran_s, state in ended if at.replace(minute=0) == bucket.at]
        assert bucket.states == {state: sum(state is other for _, other in mine) for state in {s for _, s in mine}}
        judged = sorted((ran_s, state) for ran_s, state in mine if state is not JobState.CANCELLED)
        took = [ran_s for ran_s, _ in judged]
        good = sum(state in (JobState.SUCCEEDED, JobState.PARTIAL) for _, state in judged)
        assert (bucket.p50_s, bucket.p95_s) == (took[-(-len(took) // 2) - 1], took[-(-len(took) * 19 // 20) - 1])
        assert bucket.average_s == pytest.approx(sum(took) / len(took), abs=0.001)
        assert bucket.success_rate == pytest.approx(good / len(judged), abs=0.0001)


def test_an_index_answers_the_figures_and_leaves_lists_to_theirs(database: str) -> None:
    if not database.startswith("sqlite"):
        return  # PostgreSQL reads a small table as a whole
    asked = list[tuple[str, Any]]()
    with reading(ORG) as connection:
        event.listen(engine(), "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
        statistics.timeseries(connection, ORG, Interval.HOUR, NOON)
        connection.execute(jobs.select().where(search.jobs("ended:<1h")).order_by(jobs.c.id.desc()))
    chosen = [(sql, given) for sql, given in asked if sql.startswith("SELECT")]
    with engine().connect() as connection:
        plans = [str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all()) for sql, given in chosen]
    assert ["COVERING INDEX ix_jobs_ended" in plan for plan in plans] == [True, True, False]
