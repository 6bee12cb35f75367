"""A sign of life of a process: a file, touched every few seconds by the loop that does the work.

`python -m shared.heartbeat NAME` exits 0 when the file is fresh: for probes of containers, never `celery inspect ping`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from shared.settings import settings

EVERY_S = 2.0
STALE_S = 30.0  # a worker that reconnects to its broker is silent for up to 20 s


def path(name: str) -> Path:
    """Return the file of the process called `name`."""
    folder = settings().run_dir
    return Path(folder or tempfile.gettempdir()) / f"vedette-{name}.alive"


def beat(name: str) -> None:
    """Touch the file: this process lives, now."""
    file = path(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(os.getpid()), encoding="ascii")
    except OSError as exc:
        sys.stderr.write(f"vedette: no heartbeat in {file}: {exc}\n")


def age_s(name: str) -> float | None:
    """Return the seconds since the last beat, or None when there never was one."""
    try:
        return max(time.time() - path(name).stat().st_mtime, 0.0)
    except OSError:
        return None


def main(arguments: list[str]) -> int:
    age = age_s(arguments[0]) if arguments else None
    return 0 if age is not None and age < STALE_S else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
