"""The door under load: lists of 100,000 jobs, submissions one by one and in bulk, by a real gateway on loopback.

No worker runs: jobs are written and published. Run: python -m tests.bench.door [sqlite|postgres] [JOBS]
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import httpx2

from shared import testing
from shared.store.jobs import NewJob

JOBS = 100_000
OPEN = 5_000  # of them, not over
LOOKS = 200  # of each list
SINGLES = 2_000
AT_ONCE = 4
BULK = 10_000
GOAL_LIST_MS = 50.0
TOKEN = "bench"
LISTS = {
    "first page": "",
    "state:failed": "q=state:failed",
    "target, an address": "q=target:10.1.77.1",
    "target, a network": "q=target:10.1.77.0/24",
    "tag:env=prod": "q=tag:env=prod",
    "ended:<1h": "q=ended:<1h",
    "a word that none has": "q=nowhere",
}


def main(sort: str, count: int) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(testing.redis_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        postgres = sort == "postgres"
        url = stack.enter_context(testing.postgres_server()) if postgres else f"sqlite:///{folder}/v.db"
        chosen = {"REDIS_URL": server.url, "DATABASE_URL": url, "LOG_LEVEL": "error", "PRIVATE_TARGETS": "true"}
        chosen |= {"MASTER_KEY": testing.MASTER_KEY, "TOKEN": TOKEN, "GATEWAY_PORT": "0", "RUN_DIR": folder, **LIMITS}
        os.environ.update({f"VEDETTE_{name}": value for name, value in chosen.items()})
        _seed(sort, count)
        with _served() as client:
            _lists(sort, client)
            _singles(sort, client)
            _bulk(sort, client)


LIMITS = dict.fromkeys(("REQUESTS_PER_MINUTE", "JOBS_PER_HOUR", "CONCURRENT_JOBS", "TARGETS_PER_BATCH"), "1000000000")


def _seed(sort: str, count: int) -> None:
    """Write jobs with their steps, nearly all of them over. Modules are imported here: they read the settings."""
    from shared.ids import now
    from shared.store import jobs, migrate, plugins
    from shared.store.engine import writing
    from shared.store.tables import jobs as table
    from shared.store.tables import steps

    migrate.upgrade()
    began = time.perf_counter()
    with writing() as connection:
        plugins.announce(connection, "formats", ["html", "json"])
    for start in range(0, count, 2000):
        with writing() as connection:
            ids = jobs.create(connection, [_job(place) for place in range(start, min(start + 2000, count))])
            at, state = now(), "failed" if start % 20_000 == 0 else "succeeded"
            over: dict[str, object] = {"published_at": at, "started_at": at}
            if start < count - OPEN:
                over.update({"finished_at": at, "state": state, "score": 80, "grade": "B"})
                ran = {"state": "succeeded", "started_at": at, "finished_at": at}
                connection.execute(steps.update().where(steps.c.job_id.between(ids[0], ids[-1])).values(**ran))
            connection.execute(table.update().where(table.c.id.between(ids[0], ids[-1])).values(**over))
    if sort == "postgres":
        with writing() as connection:
            connection.exec_driver_sql("ANALYZE")
    _say(sort, f"{count} jobs seeded", f"{time.perf_counter() - began:.0f} s")


def _job(place: int) -> NewJob:
    from datetime import timedelta

    from shared import registry
    from shared.contracts.job import StageName
    from shared.contracts.submission import Options
    from shared.ids import now

    target = registry.target({"kind": "host", "host": f"10.{place >> 16}.{place >> 8 & 255}.{place & 255}"})
    options = Options(tags={"env": "prod" if place % 10 == 0 else "test"})
    parts = {StageName.REPORT: options.reports}
    return NewJob("local", target, options, "scan", now() + timedelta(hours=1), parts=parts)


@contextmanager
def _served() -> Iterator[httpx2.Client]:
    from gateway.__main__ import build
    from shared import telemetry
    from shared.settings import settings

    telemetry.start("bench", settings())
    server = build(settings())
    thread = threading.Thread(target=server.run)
    thread.start()
    testing.wait_for(lambda: server.started, "the gateway serves")
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=120) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)


def _lists(sort: str, client: httpx2.Client) -> None:
    deep = ""
    for _ in range(100):
        deep = client.get(f"/jobs?limit=200&cursor={deep}").raise_for_status().json()["next"] or deep
    for name, asked in {**LISTS, "20,000 further": f"cursor={deep}"}.items():
        took = [_timed(partial(client.get, f"/jobs?{asked}")) for _ in range(LOOKS)]
        _spread(sort, f"GET /jobs, {name}", took, f"goal: p95 < {GOAL_LIST_MS:.0f} ms")


def _singles(sort: str, client: httpx2.Client) -> None:
    def one(place: int) -> float:
        body = {"target": {"kind": "host", "host": f"10.200.{place >> 8}.{place & 255}"}}
        return _timed(lambda: client.post("/jobs", json=body))

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        took = list(pool.map(one, range(SINGLES)))
    _spread(sort, f"POST /jobs, {SINGLES}", took, f"{SINGLES / (time.perf_counter() - began):.0f}/s")


def _bulk(sort: str, client: httpx2.Client) -> None:
    targets = [{"kind": "host", "host": f"10.{201 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"} for n in range(BULK)]
    took = _timed(lambda: client.post("/batches", json={"targets": targets}))
    _say(sort, f"POST /batches, {BULK}", f"{took / 1000:.1f} s")
    looks = [_timed(lambda: client.get("/jobs")) for _ in range(50)]
    _spread(sort, "GET /jobs while it is sent", looks, "")
    _say(sort, "GET /batches", f"{_timed(lambda: client.get('/batches')):.0f} ms")


def _timed(ask: Callable[[], httpx2.Response]) -> float:
    """Return the milliseconds of an answer that is no error."""
    began = time.perf_counter()
    ask().raise_for_status()
    return (time.perf_counter() - began) * 1000


def _spread(sort: str, what: str, took: list[float], more: str) -> None:
    cut = statistics.quantiles(took, n=100)
    _say(sort, what, "  ".join(f"p{at} {cut[at - 1]:6.1f} ms" for at in (50, 95, 99)) + f"   {more}")


def _say(sort: str, what: str, found: str) -> None:
    sys.stdout.write(f"{sort:8}  {what:36}  {found}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = dict(itertools.zip_longest(("sort", "count"), sys.argv[1:3]))
    main(given["sort"] or "sqlite", int(given["count"] or JOBS))
