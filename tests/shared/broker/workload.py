"""A worker with the real app and a task that notes in a file when it begins and ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

from shared.queue import app

RUNS = Path(os.environ["WORKLOAD_RUNS"])


@app.task(name="workload.note")
def note(name: str, seconds: float, again: float = 0.0) -> None:
    """Take `seconds` the first time and `again` from the second on."""
    is_first = f"begin {name}" not in runs()
    write(f"begin {name}")
    end = time.monotonic() + (seconds if is_first else again)
    while time.monotonic() < end:
        time.sleep(0.05)
    write(f"end {name}")


def write(line: str) -> None:
    with RUNS.open("a") as file:
        file.write(f"{line}\n")


def runs() -> list[str]:
    return RUNS.read_text().splitlines()
