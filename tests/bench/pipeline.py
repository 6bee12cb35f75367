"""Pipeline throughput against a bare four-task Celery chain, on the same Redis, paired in one run.

Per side: four workers with one child each, each side with a broker database of its own. `bare` keeps nothing, so nobody
could ask how a chain ended; `stored` keeps its results in Redis. `trivial` is the pipeline with stages that do nothing
(ledger, events, trace); `real` scans one closed port and writes a JSON report.
Figures are medians of ROUNDS alternating rounds of JOBS jobs. Run: python -m tests.bench.pipeline
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shared import testing

JOBS = 200
ROUNDS = 5
STAGES = ("scan", "process", "report", "notify")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers are ended too
    with testing.redis_server() as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(_environment(server.url, folder))
        rates: dict[str, list[float]] = {}
        with _workers(server, Path(folder)) as runs:
            for run in runs.values():
                run(20)  # warm
            for number in range(ROUNDS):
                for name, run in runs.items():
                    rates.setdefault(name, []).append(JOBS / run(JOBS))
                sys.stderr.write(f"round {number + 1} of {ROUNDS} done\n")
        for name, values in rates.items():
            bare, stored = (
                statistics.median(a / b for a, b in zip(values, rates[to], strict=True)) for to in ("bare", "stored")
            )
            rate = statistics.median(values)
            sys.stdout.write(f"pipeline {name:8} {rate:7.1f} jobs/s   {bare:4.2f} x bare   {stored:4.2f} x stored\n")
        sys.stdout.write("goal: trivial >= 0.50 x bare\n")


@contextmanager
def _workers(server: testing.RedisServer, folder: Path) -> Iterator[dict[str, Callable[[int], float]]]:
    """Start the workers of all sides, and give for each side a function that runs n jobs and returns the seconds."""
    from shared.store import migrate

    migrate.upgrade()
    stored = {"BARE_BROKER": _url(server.url, 4), "BARE_COUNTER": f"{server.url}?db=4"}
    stored["BARE_RESULTS"] = _url(server.url, 5)
    trivial = {"VEDETTE_REDIS_BROKER_DB": "2", "VEDETTE_RUN_DIR": f"{folder}/trivial"}
    with ExitStack() as stack:
        for stage in STAGES:
            log, bare = folder / f"{stage}.log", ["tests.bench.bare", "worker", "-Q", f"bare.{stage}"]
            own = {**trivial, "TRIVIAL_STAGE": stage}
            stack.enter_context(testing.process(_worker(*bare, "-n", f"bare-{stage}@%h"), {}, log))
            stack.enter_context(testing.process(_worker(*bare, "-n", f"stored-{stage}@%h"), stored, log))
            stack.enter_context(testing.process(_worker("tests.bench.trivial", "worker"), own, log))
            stack.enter_context(testing.process(testing.worker(stage), {"VEDETTE_RUN_DIR": f"{folder}/real"}, log))
        for side in ("trivial", "real"):
            for stage in STAGES:
                beat = folder / side / f"vedette-{stage}.alive"
                testing.wait_for(beat.exists, f"the {side} {stage} worker is ready", 60)
        yield {
            "bare": lambda n: _run("tests.bench.bare", n),
            "stored": lambda n: _run("tests.bench.bare", n, **stored),
            "trivial": lambda n: _run("tests.bench.drive", n, **trivial),
            "real": lambda n: _run("tests.bench.drive", n, "json"),
        }


def _worker(*arguments: str) -> list[str]:
    quiet = ["--concurrency", "1", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [sys.executable, "-m", "celery", "-A", *arguments, *quiet]


def _run(module: str, jobs: int, *formats: str, **environment: str) -> float:
    """Submit and wait in a process of its own, because a process has one broker. Returns the seconds that it prints."""
    command = [sys.executable, "-m", module, str(jobs), *formats]
    inherited = {**os.environ, **environment}
    done = subprocess.run(command, env=inherited, capture_output=True, text=True, check=True, timeout=150)
    return float(done.stdout)


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
