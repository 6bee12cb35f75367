"""The baseline: four bare Celery tasks on stock settings, one queue each. The last one counts.

With `BARE_RESULTS` the tasks keep their results in Redis, as they must where anybody wants to know how a chain ended.
"""

from __future__ import annotations

import os
import sys
import time

import redis
from celery import Celery, chain

from shared import testing

app = Celery("bare", broker=os.environ["BARE_BROKER"], backend=os.environ.get("BARE_RESULTS"))
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result="BARE_RESULTS" not in os.environ)
app.conf.task_routes = {f"bare.{name}": {"queue": f"bare.{name}"} for name in ("scan", "process", "report", "notify")}
counter = redis.Redis.from_url(os.environ["BARE_COUNTER"])


@app.task(name="bare.scan")
def scan(message: dict[str, str]) -> dict[str, str]:
    return message


@app.task(name="bare.process")
def process(message: dict[str, str]) -> dict[str, str]:
    return message


@app.task(name="bare.report")
def report(message: dict[str, str]) -> dict[str, str]:
    return message


@app.task(name="bare.notify")
def notify(message: dict[str, str]) -> dict[str, str]:
    counter.incr("bare:done")
    return message


def main(jobs: int) -> float:
    """Send `jobs` chains and wait until the last task of each has run. Returns the seconds."""
    counter.set("bare:done", 0)
    start = time.perf_counter()
    for _ in range(jobs):
        chain(scan.s({"job_id": "x" * 36}), process.s(), report.s(), notify.s()).apply_async()
    testing.wait_for(lambda: int(counter.get("bare:done") or 0) >= jobs, "all bare chains are done", 120)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.stdout.write(f"{main(int(sys.argv[1]))}\n")
