"""Pipeline throughput against a bare four-task Celery chain, on the same Redis, paired in one run.

Per side: four workers with one child each. `trivial` is the pipeline with stages that do nothing (ledger, events,
trace); `real` scans one closed port and writes a JSON report.
Figures are medians of ROUNDS alternating rounds of JOBS jobs. Run: python -m tests.bench.pipeline
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shared import testing

JOBS = 200
ROUNDS = 5
TRIVIAL_DB = 2  # the trivial workers have a broker of their own, on the same server
STAGES = ("scan", "process", "report", "notify")


def main() -> None:
    with testing.redis_server() as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(_environment(server.url, folder))
        rates: dict[str, list[float]] = {"bare": [], "trivial": [], "real": []}
        with _workers(server, Path(folder)) as runs:
            for run in runs.values():
                run(20)  # warm
            for number in range(ROUNDS):
                for name, run in runs.items():
                    rates[name].append(JOBS / run(JOBS))
                sys.stderr.write(f"round {number + 1} of {ROUNDS} done\n")
        median = {name: statistics.median(values) for name, values in rates.items()}
        for name, rate in median.items():
            ratio = statistics.median(a / b for a, b in zip(rates[name], rates["bare"], strict=True))
            sys.stdout.write(f"pipeline {name:8} {rate:7.1f} jobs/s   {ratio:4.2f} x bare chain\n")
        sys.stdout.write("goal: trivial >= 0.50 x bare chain\n")


@contextmanager
def _workers(server: testing.RedisServer, folder: Path) -> Iterator[dict[str, Callable[[int], float]]]:
    """Start the workers of all sides, and give for each side a function that runs n jobs and returns the seconds."""
    from shared.store import migrate

    migrate.upgrade()
    with ExitStack() as stack:
        for stage in STAGES:
            log = folder / f"{stage}.log"
            bare = [sys.executable, "-m", "celery", "-A", "tests.bench.bare", "worker", "-Q", f"bare.{stage}"]
            idle = [sys.executable, "-m", "celery", "-A", "tests.bench.trivial", "worker"]
            quiet = ["--concurrency", "1", "--without-gossip", "--without-mingle", "--without-heartbeat"]
            stack.enter_context(testing.process([*bare, *quiet, "-n", f"bare-{stage}@%h"], {}, log))
            of_side = {
                "VEDETTE_REDIS_BROKER_DB": str(TRIVIAL_DB),
                "TRIVIAL_STAGE": stage,
                "VEDETTE_RUN_DIR": f"{folder}/trivial",
            }
            stack.enter_context(testing.process([*idle, *quiet, "-n", f"trivial-{stage}@%h"], of_side, log))
            stack.enter_context(testing.process(testing.worker(stage), {"VEDETTE_RUN_DIR": f"{folder}/real"}, log))
        for side in ("trivial", "real"):
            for stage in STAGES:
                beat = folder / side / f"vedette-{stage}.alive"
                testing.wait_for(beat.exists, f"the {side} {stage} worker is ready", 60)
        yield {"bare": _bare, "trivial": lambda n: _vedette(n, TRIVIAL_DB), "real": lambda n: _vedette(n, 0, "json")}


def _bare(jobs: int) -> float:
    from celery import chain

    from tests.bench import bare

    bare.counter.set("bare:done", 0)
    start = time.perf_counter()
    for _ in range(jobs):
        chain(bare.scan.s({"job_id": "x" * 36}), bare.process.s(), bare.report.s(), bare.notify.s()).apply_async()
    testing.wait_for(lambda: int(bare.counter.get("bare:done") or 0) >= jobs, "all bare chains are done", 120)
    return time.perf_counter() - start


def _vedette(jobs: int, broker_db: int, *formats: str) -> float:
    """In a process of its own, because a process has one broker."""
    command = [sys.executable, "-m", "tests.bench.drive", str(jobs), *formats]
    environment = {**os.environ, "VEDETTE_REDIS_BROKER_DB": str(broker_db)}
    return float(
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=150).stdout
    )


def _environment(url: str, folder: str) -> dict[str, str]:
    return {
        "VEDETTE_REDIS_URL": url,
        "VEDETTE_DATABASE_URL": f"sqlite:///{folder}/bench.db",
        "VEDETTE_RUN_DIR": f"{folder}/real",
        "BARE_BROKER": _url(url, 3),
        "BARE_COUNTER": f"{url}?db=3",
    }


def _url(url: str, db: int) -> str:
    return url.replace("unix://", "redis+socket://") + f"?virtual_host={db}"


if __name__ == "__main__":
    main()
