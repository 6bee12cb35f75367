"""Submit jobs and wait for their ends; prints the seconds. `python -m tests.bench.drive JOBS [FORMAT]`."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from shared import pipeline, recording, registry, testing
from shared.contracts.job import StageName
from shared.contracts.submission import Options
from shared.ids import now
from shared.store import jobs
from shared.store.engine import reading, writing


def main(count: int, formats: list[str]) -> float:
    """Run `count` jobs; the formats are the parts of their report stage. Returns the seconds from first to last."""
    target = registry.target({"kind": "host", "host": "127.0.0.1", "ports": "1"})
    deadline = now() + timedelta(hours=1)
    new = jobs.NewJob("local", target, Options(reports=formats), "scan", deadline, parts={StageName.REPORT: formats})
    recorded = recording.begin("drive", recording.FLUSH_EVERY_S)
    start = time.perf_counter()
    with writing() as connection:
        ids = jobs.create(connection, [new] * count)
    pipeline.submit(ids)
    left = list(ids)

    def all_ended() -> bool:
        nonlocal left
        with reading() as connection:
            left = left[:-20] if all(job.state.is_terminal for job in jobs.views(connection, left[-20:])) else left
        return not left

    testing.wait_for(all_ended, "all jobs are terminal", 120)
    took = time.perf_counter() - start
    recorded.end()
    return took


if __name__ == "__main__":
    sys.stdout.write(f"{main(int(sys.argv[1]), sys.argv[2:])}\n")
