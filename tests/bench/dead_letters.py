"""Dead letters by the ten thousand: taken in, grouped, foreseen, replayed, settled; on a Redis of its own.

Replays only send: no worker runs. Run: python -m tests.bench.dead_letters [sqlite|postgres]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from shared import testing

LETTERS = 10_000
GROUPS = 3
GOAL_GROUPS_S = 0.5
GOAL_REPLAYS_S = 300.0  # a second

Done = TypeVar("Done")


def main(sort: str) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(testing.redis_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        postgres = sort == "postgres"
        url = stack.enter_context(testing.postgres_server()) if postgres else f"sqlite:///{folder}/v.db"
        settings = {"REDIS_URL": server.url, "DATABASE_URL": url, "LOG_LEVEL": "error", "PRIVATE_TARGETS": "true"}
        settings["MASTER_KEY"] = testing.MASTER_KEY
        os.environ.update({f"VEDETTE_{name}": value for name, value in settings.items()})
        _measure(sort)


def _measure(sort: str) -> None:
    """The modules are imported here: they read the settings that `main` makes."""
    from control import ingester
    from shared import replay, telemetry
    from shared.contracts.dead_letter import Replay, Selection
    from shared.settings import settings
    from shared.store import dead_letters, migrate, settling
    from shared.store.engine import reading
    from tests.shared.store.making import ORG

    telemetry.start("bench", settings())
    migrate.upgrade()
    _leave()
    _timed(sort, "taken in", ingester.ingest_once)
    with reading() as connection:
        _timed(sort, "grouped", lambda: len(dead_letters.groups(connection, ORG)), f"goal: < {GOAL_GROUPS_S} s")
        chosen = dead_letters.ids(connection, ORG, Selection(all=True), limit=LETTERS)
    _work()
    _timed(sort, "foreseen", lambda: replay.forecast(ORG, Selection(all=True), Replay()).ok)

    def send() -> int:
        sent = 0
        for start in range(0, LETTERS, replay.BATCH):
            _work()
            sent += sum(one.ok for one in replay.replay(ORG, chosen[start : start + replay.BATCH], Replay(), "bench"))
        return sent

    _timed(sort, "replayed", send, f"goal: >= {GOAL_REPLAYS_S:.0f}/s")
    _timed(sort, "looked through", lambda: settling.settle() or LETTERS)


def _leave() -> None:
    """Write jobs that failed in their scan, and leave their dead letters in the stream."""
    from shared import dlq
    from shared.broker import keys
    from shared.broker.client import client
    from shared.contracts.dead_letter import ErrorDetail
    from shared.ids import now
    from shared.store import jobs
    from shared.store.engine import writing
    from shared.store.tables import jobs as all_jobs
    from shared.store.tables import steps
    from tests.shared.store.dying import entry, message
    from tests.shared.store.making import new_job

    over = {"finished_at": now()}
    with writing() as connection:
        made = [each for _ in range(LETTERS // 500) for each in jobs.create(connection, [new_job()] * 500)]
        for stage, state in (
            ("scan", "failed"),
            ("process", "skipped"),
            ("report", "skipped"),
            ("notify", "succeeded"),
        ):
            connection.execute(steps.update().where(steps.c.stage == stage).values(state=state, **over))
        connection.execute(all_jobs.update().values(state="failed", published_at=now(), **over))
    pipe = client().pipeline(transaction=False)
    for place, job_id in enumerate(made):
        error = ErrorDetail(type=f"Error{place % GROUPS}", message="It failed.", traceback="line of code\n" * 100)
        pipe.xadd(keys.DEAD_LETTERS, dlq.fields(entry(job_id, error=error), message(job_id)))  # type: ignore[arg-type]
        if place % 500 == 0:
            pipe.execute()
    pipe.execute()


def _work() -> None:
    """Have a worker say that it takes from every lane."""
    from shared.broker import presence
    from shared.broker.client import client
    from shared.contracts.lanes import ALL_LANES
    from shared.ids import now

    record = {"hostname": "all@bench", "service": "scan", "pid": 1, "queues": list(ALL_LANES), "concurrency": 1}
    presence.write(client(), presence.WorkerRecord(**record, started_at=now()))


def _timed(sort: str, what: str, act: Callable[[], int], goal: str = "") -> None:
    started = time.perf_counter()
    count = act()
    took_s = time.perf_counter() - started
    sys.stdout.write(f"{sort:8} {what:14} {count:6}   {took_s:7.3f} s   {count / took_s:8.0f}/s   {goal}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sqlite")
