"""What really happened, in the order in which it did: a file to which every process of a chaos run adds lines.

Times are those of the monotonic clock, which all processes of a machine share, also one whose other clocks are wrong.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

Note = dict[str, Any]

STARTED = "started"  # a child has a task
TAKEN = "taken"  # it has the step, and does its work
ENDED = "ended"
SCANNED = "scanned"
KILLED = "killed"


def write(folder: Path, what: str, **more: object) -> None:
    """Add a line in one call, so that lines of different processes never mix and none is lost by a SIGKILL after it."""
    line = json.dumps({"what": what, "at": time.monotonic(), "pid": os.getpid(), "group": os.getpgrp(), **more})
    file = os.open(folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode() + b"\n")
    finally:
        os.close(file)


def read(folder: Path) -> list[Note]:
    file = folder / "notes"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def runs(noted: Iterable[Note]) -> dict[str, list[tuple[float, float, int]]]:
    """Return for each task id when its work was done: (start, end, pid). What was killed ends with its process."""
    found: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    open_runs: dict[int, Note] = {}
    for note in sorted(noted, key=lambda each: each["at"]):
        if note["what"] == TAKEN:
            open_runs[note["pid"]] = note
        elif note["what"] == ENDED:
            _close(open_runs, [note["pid"]], note["at"], found)
        elif note["what"] == KILLED:
            dead = [pid for pid, run in open_runs.items() if note["victim"] in (pid, -run["group"])]
            _close(open_runs, dead, note["at"], found)
    _close(open_runs, list(open_runs), float("inf"), found)
    return found


def parallel(noted: Iterable[Note]) -> list[str]:
    """Return the ids of the tasks that ran twice at the same time."""
    return [task for task, those in runs(noted).items() if _overlap(sorted(those))]


def _overlap(those: list[tuple[float, float, int]]) -> bool:
    return any(earlier[1] > later[0] for earlier, later in pairwise(those))


def _close(open_runs: dict[int, Note], pids: list[int], at: float, found: dict[str, list[Any]]) -> None:
    for pid in pids:
        if run := open_runs.pop(pid, None):
            found[run["task"]].append((run["at"], at, pid))
