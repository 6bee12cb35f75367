"""Pipeline throughput against a bare four-task Celery chain, on the same Redis, paired in one run.

Per side: four workers with one child each, each side with a broker database of its own. `bare` keeps nothing, so nobody
could ask how a chain ended; `stored` keeps its results in Redis. `trivial` is the pipeline with stages that do nothing
(ledger, events, trace); `real` scans one closed port and writes a JSON report.
With BASE=<revision> the same two sides of that revision run in the same rounds, from a copy of its files and in this
environment, and the ratio to them is printed.
Figures are medians of ROUNDS alternating rounds of JOBS jobs. Run: [BASE=<revision>] python -m tests.bench.pipeline
"""

from __future__ import annotations

import io
import os
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared import testing

JOBS = 200
ROUNDS = int(os.environ.get("ROUNDS", "5"))
STAGES = ("scan", "process", "report", "notify")
HERE = Path(__file__).parents[2]
MIGRATE = "from shared.store import migrate; migrate.upgrade()"


@dataclass(frozen=True)
class Side:
    """One of those that are compared. module: what sends its jobs.  root: the files that it runs from."""

    name: str
    module: str
    formats: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    root: Path = HERE

    def run(self, jobs: int) -> float:
        """Submit and wait in a process of its own, because a process has one broker. Returns its seconds."""
        command = [sys.executable, "-m", self.module, str(jobs), *self.formats]
        inherited = {**os.environ, **self.environment}
        done = subprocess.run(
            command, env=inherited, cwd=self.root, capture_output=True, text=True, check=True, timeout=150
        )
        return float(done.stdout)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers are ended too
    base = os.environ.pop("BASE", "")
    with testing.redis_server() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sides = [*_bare(server.url), *_pipelines(server.url, folder, HERE, "", 0)]
        if base:
            sides += _pipelines(server.url, folder, _copy(base, folder / "files"), "base ", 6)
        with workers(sides, folder):
            rates = _measure(sides)
    _print(rates)


def _measure(sides: list[Side]) -> dict[str, list[float]]:
    """Return the jobs a second of each side, round by round. Every other round goes the other way round."""
    rates: dict[str, list[float]] = {side.name: [] for side in sides}
    for side in sides:
        side.run(20)  # warm
    for number in range(ROUNDS):
        for side in sides if number % 2 == 0 else reversed(sides):
            rates[side.name].append(JOBS / side.run(JOBS))
        sys.stderr.write(f"round {number + 1} of {ROUNDS} done\n")
    return rates


def _print(rates: dict[str, list[float]]) -> None:
    for name, values in rates.items():
        others = ("bare", "stored", *([f"base {name}"] if f"base {name}" in rates else ()))
        ratios = {
            other: statistics.median(mine / its for mine, its in zip(values, rates[other], strict=True))
            for other in others
        }
        told = "   ".join(f"{ratio:4.2f} x {other.partition(' ')[0]}" for other, ratio in ratios.items())
        sys.stdout.write(f"pipeline {name:12} {statistics.median(values):7.1f} jobs/s   {told}\n")
    sys.stdout.write("goals: trivial >= 0.50 x bare; trivial and real >= 0.90 x base\n")


def _bare(url: str) -> list[Side]:
    bare = {"BARE_BROKER": _url(url, 3), "BARE_COUNTER": f"{url}?db=3"}
    stored = {"BARE_BROKER": _url(url, 4), "BARE_COUNTER": f"{url}?db=4", "BARE_RESULTS": _url(url, 5)}
    return [Side(name, "tests.bench.bare", environment=own) for name, own in (("bare", bare), ("stored", stored))]


def _pipelines(url: str, folder: Path, root: Path, prefix: str, db: int) -> list[Side]:
    """The two sides of one revision; they share a database and a bus. db: the first of three of Redis."""
    where = folder / (prefix.strip() or "head")
    where.mkdir()
    common = {
        "VEDETTE_REDIS_URL": url,
        "VEDETTE_MASTER_KEY": testing.MASTER_KEY,
        "VEDETTE_REDIS_BUS_DB": str(db + 1),
        "VEDETTE_PRIVATE_TARGETS": "true",
        "VEDETTE_DATABASE_URL": f"sqlite:///{where}/bench.db",
    }
    subprocess.run([sys.executable, "-c", MIGRATE], env={**os.environ, **common}, cwd=root, check=True, timeout=60)
    trivial = {**common, "VEDETTE_REDIS_BROKER_DB": str(db + 2), "VEDETTE_RUN_DIR": f"{where}/trivial"}
    real = {**common, "VEDETTE_REDIS_BROKER_DB": str(db), "VEDETTE_RUN_DIR": f"{where}/real"}
    return [
        Side(f"{prefix}trivial", "tests.bench.drive", environment=trivial, root=root),
        Side(f"{prefix}real", "tests.bench.drive", ("json",), real, root),
    ]


@contextmanager
def workers(sides: list[Side], folder: Path) -> Iterator[None]:
    """Four workers of each side, ready, for the block."""
    with ExitStack() as stack:
        for side in sides:
            for stage in STAGES:
                command, own = _worker(side, stage)
                log = folder / f"{side.name}-{stage}.log"
                stack.enter_context(testing.process(command, {**side.environment, **own}, log, side.root))
        for side in sides:
            for stage in STAGES if "VEDETTE_RUN_DIR" in side.environment else ():
                beat = Path(side.environment["VEDETTE_RUN_DIR"]) / f"vedette-{stage}.alive"
                testing.wait_for(beat.exists, f"the {side.name} {stage} worker is ready", 60)
        yield


def _worker(side: Side, stage: str) -> tuple[list[str], dict[str, str]]:
    if side.name.endswith("real"):
        return testing.worker(stage), {}
    of = ["tests.bench.trivial", "worker"]
    if side.name in {"bare", "stored"}:
        of = ["tests.bench.bare", "worker", "-Q", f"bare.{stage}", "-n", f"{side.name}-{stage}@%h"]
    quiet = ["--concurrency", "1", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [sys.executable, "-m", "celery", "-A", *of, *quiet], {"TRIVIAL_STAGE": stage}


def _copy(revision: str, to: Path) -> Path:
    """Copy the files of a revision to a folder, and return it."""
    archive = subprocess.run(["git", "archive", revision], cwd=HERE, capture_output=True, check=True, timeout=60)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(to, filter="data")
    return to


def _url(url: str, db: int) -> str:
    return url.replace("unix://", "redis+socket://") + f"?virtual_host={db}"


if __name__ == "__main__":
    main()
