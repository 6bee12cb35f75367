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
        _overwrite(file, str(os.getpid()).encode())
    except OSError as exc:
        sys.stderr.write(f"vedette: no heartbeat in {file}: {exc}\n")


def _overwrite(file: Path, data: bytes) -> None:
    """Write in place: whoever reads the file never finds it empty, and a full disk has room for what was there."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644), "wb") as kept:
        kept.write(data)
        kept.truncate()


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
