"""Numbers of 100,000 jobs that ended, as the overview and as series, asked of the store.

Run: python -m tests.bench.figures [sqlite|postgres] [JOBS]
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial

from shared import testing

JOBS = 100_000
LOOKS = 20
GOAL = "goal: p95 < 500 ms"
HOURS = 240  # that they ended in
MINUTES_HOURS = 36  # as many as the gateway gives by the minute


def main(sort: str, count: int) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(testing.postgres_server()) if sort == "postgres" else f"sqlite:///{folder}/v.db"
        os.environ.update(VEDETTE_DATABASE_URL=url, VEDETTE_MASTER_KEY=testing.MASTER_KEY)
        _seed(sort, count)
        _look(sort)


def _seed(sort: str, count: int) -> None:
    """Write jobs that ended one after the other. Modules imported here read the settings."""
    from sqlalchemy import bindparam

    from shared.ids import now
    from shared.store import jobs, migrate
    from shared.store.engine import writing
    from shared.store.tables import jobs as table
    from tests.shared.store.making import new_job

    migrate.upgrade()
    first = now() - timedelta(hours=HOURS)
    after = ("state", "started_at", "finished_at")
    end = table.update().where(table.c.id == bindparam("of")).values({each: bindparam(f"new_{each}") for each in after})
    for start in range(0, count, 2000):
        with writing() as connection:
            ids = jobs.create(connection, [new_job() for _ in range(min(2000, count - start))])
            moments = [first + timedelta(hours=HOURS) * (place / count) for place in range(start, start + len(ids))]
            connection.execute(end, [_over(*each) for each in zip(ids, moments, itertools.count(start))])
    if sort == "postgres":
        with writing() as connection:
            connection.exec_driver_sql("ANALYZE")


def _over(job_id: str, at: datetime, place: int) -> dict[str, object]:
    began = at - timedelta(milliseconds=place * 7919 % 60_000)
    state = "succeeded" if place % 20 else "failed"
    return {"of": job_id, "new_state": state, "new_started_at": began, "new_finished_at": at}


def _look(sort: str) -> None:
    from shared.contracts.statistics import Interval
    from shared.ids import now
    from shared.store import statistics as figures
    from shared.store.engine import reading
    from tests.shared.store.making import ORG

    with reading(ORG) as connection:
        _say(sort, "overview", partial(figures.overview, connection, ORG))
        for every in Interval:
            hours = MINUTES_HOURS if every is Interval.MINUTE else HOURS
            ask = partial(figures.timeseries, connection, ORG, every, now() - timedelta(hours=hours))
            _say(sort, f"{hours} h by {every}", ask)


def _say(sort: str, what: str, ask: Callable[[], object]) -> None:
    took = list[float]()
    for _ in range(LOOKS):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    cut = statistics.quantiles(took, n=20)
    sys.stdout.write(f"{sort:8}  {what:18}  p50 {cut[9]:6.1f} ms  p95 {cut[18]:6.1f} ms   {GOAL}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = dict(itertools.zip_longest(("sort", "count"), sys.argv[1:3]))
    main(given["sort"] or "sqlite", int(given["count"] or JOBS))
