"""What traces cost: jobs a second with tracing off, on, and on with an OTLP endpoint that never answers; paired.

Per side: four workers with one child each, a control process that takes the records in, and a database, a broker and a
bus of its own. `trivial` is the pipeline with stages that do nothing, `real` scans one closed port and writes a JSON
report. A ratio is that of a job with traces to one without, median of ROUNDS alternating rounds: of its time, which
needs a quiet machine, and of the processor time of all of the side's processes, which hardly does.
Run: [ROUNDS=5] python -m tests.bench.tracing [trivial|real]; with fewer than 20 rounds a noisy machine tells little.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from pydantic import SecretStr

from shared import spool, testing
from shared.settings import Settings
from tests.bench.pipeline import HERE, JOBS, MIGRATE, ROUNDS, Side, workers

KINDS = {"trivial": (), "real": ("json",)}
GOAL = 1.10


def main(kinds: Sequence[str]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers are ended too
    for kind in kinds:
        with ExitStack() as stack:
            server = stack.enter_context(testing.redis_server())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            sides = _sides(kind, server.url, folder, int(silent.getsockname()[1]))
            stack.enter_context(workers(sides, folder))
            stack.enter_context(_controls(sides, folder))
            _print(kind, _measure(sides))
    sys.stdout.write(f"goal: ratio <= {GOAL:.2f}\n")


def _sides(kind: str, url: str, folder: Path, silent: int) -> list[Side]:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent}"}
    ways = {"off": {"VEDETTE_TRACING": "false"}, "on": {}, "silent": endpoint}
    return [_side(f"{way} {kind}", url, folder, 3 * at, more) for at, (way, more) in enumerate(ways.items())]


def _side(name: str, url: str, folder: Path, db: int, more: dict[str, str]) -> Side:
    where = folder / name.replace(" ", "-")
    where.mkdir()
    environment = {
        "VEDETTE_REDIS_URL": url,
        "VEDETTE_REDIS_BROKER_DB": str(db),
        "VEDETTE_REDIS_BUS_DB": str(db + 1),
        "VEDETTE_MASTER_KEY": testing.MASTER_KEY,
        "VEDETTE_PRIVATE_TARGETS": "true",
        "VEDETTE_DATABASE_URL": f"sqlite:///{where}/bench.db",
        "VEDETTE_RUN_DIR": str(where),
        "VEDETTE_LOG_LEVEL": "warning",
        **more,
    }
    subprocess.run([sys.executable, "-c", MIGRATE], env={**os.environ, **environment}, cwd=HERE, check=True, timeout=60)
    return Side(name, "tests.bench.drive", KINDS[name.partition(" ")[2]], environment)


@contextmanager
def _controls(sides: Sequence[Side], folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        for side in sides:
            log = folder / f"{side.name}-control.log"
            command = [sys.executable, "-m", "control"]
            stack.enter_context(testing.process(command, dict(side.environment), log, HERE))
        for side in sides:
            beat = Path(side.environment["VEDETTE_RUN_DIR"]) / "vedette-control.alive"
            testing.wait_for(beat.exists, f"the {side.name} control is ready", 60)
        yield


@dataclass(frozen=True)
class Cost:
    """Seconds of one job: by the clock, and of processors."""

    time_s: float
    cpu_s: float


def _measure(sides: Sequence[Side]) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {side.name: [] for side in sides}
    for side in sides:
        side.run(20)  # warm
    for number in range(ROUNDS):
        for side in sides if number % 2 == 0 else reversed(sides):
            before = _cpu_s(side)
            took = side.run(JOBS)
            costs[side.name].append(Cost(took / JOBS, (_cpu_s(side) - before) / JOBS))
        sys.stderr.write(f"round {number + 1} of {ROUNDS} done\n")
    return costs


def _cpu_s(side: Side) -> float:
    """Return the processor time of the workers of a side, their children, and its control process."""
    testing.wait_for(lambda: not _left(side), "the last records are taken in")
    parents = [beat.read_text() for beat in Path(side.environment["VEDETTE_RUN_DIR"]).glob("vedette-*.alive")]
    children = [Path(f"/proc/{pid}/task/{pid}/children").read_text().split() for pid in parents]
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in [*parents, *itertools.chain(*children)]]
    ticks = [sum(map(int, stat.rpartition(")")[2].split()[11:13])) for stat in stats]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _left(side: Side) -> int:
    """Return how many batches of records control has not taken in yet."""
    of = side.environment
    chosen = Settings(redis_url=SecretStr(of["VEDETTE_REDIS_URL"]), redis_bus_db=int(of["VEDETTE_REDIS_BUS_DB"]))
    with redis.Redis.from_url(chosen.bus_url) as bus:
        return int(bus.xlen(spool.STREAM))


def _print(kind: str, costs: dict[str, list[Cost]]) -> None:
    off = costs[f"off {kind}"]
    for name, mine in costs.items():
        time_s, cpu_s = (statistics.median(getattr(cost, of) for cost in mine) for of in ("time_s", "cpu_s"))
        told = (
            ""
            if mine is off
            else f"   {_ratio(mine, off, 'time_s')} x the time, {_ratio(mine, off, 'cpu_s')} x the CPU"
        )
        sys.stdout.write(f"tracing {name:15} {1 / time_s:7.1f} jobs/s {1000 * cpu_s:6.1f} ms CPU{told}\n")
    sys.stdout.flush()


def _ratio(mine: Sequence[Cost], off: Sequence[Cost], of: str) -> str:
    return (
        f"{statistics.median(getattr(its, of) / getattr(other, of) for its, other in zip(mine, off, strict=True)):4.2f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:] or list(KINDS))
