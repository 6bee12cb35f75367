"""The scan service with tasks that do to their worker what no stage should. `celery -A tests.integration.hazards`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

from services.scan import app
from services.scan.kinds import Result, Run, host
from shared.contracts.kinds.host import Target
from shared.errors import Infrastructure

PREFIX = "hazard."
MB = 1024 * 1024


BURNING = "65533"  # ports of a target whose scan never ends


async def _scan(target: Target, run: Run) -> Result:
    while target.ports == BURNING:
        pass
    return await _real_scan(target, run)


_real_scan, host.scan = host.scan, _scan


@app.task(name=f"{PREFIX}kill_child")
def kill_child() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name=f"{PREFIX}kill_worker")
def kill_worker() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@app.task(name=f"{PREFIX}leave")
def leave() -> None:
    sys.exit(3)


@app.task(name=f"{PREFIX}hog")
def hog() -> None:
    bytearray(1024 * MB)


@app.task(name=f"{PREFIX}burn")
def burn() -> None:
    while True:
        pass


@app.task(name=f"{PREFIX}open_everything")
def open_everything() -> None:
    kept = []
    try:
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for each in kept:
            os.close(each)


@app.task(name=f"{PREFIX}write_forever")
def write_forever() -> None:
    with Path(os.environ["VEDETTE_RUN_DIR"], "endless").open("wb") as file:
        while True:
            file.write(b"x" * MB)


@app.task(name=f"{PREFIX}eat_and_die")
def eat_and_die() -> None:
    eaten = b"x" * (200 * MB)
    time.sleep(2.5)  # the main process looks every second
    os.kill(os.getpid(), signal.SIGKILL)
    del eaten


@app.task(name=f"{PREFIX}overrun")
def overrun() -> None:
    _start("overrun")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(60)


@app.task(name=f"{PREFIX}linger")
def linger(job: dict[str, str], seconds: float) -> None:
    """Take so long the first time, and none from the second on. The file named after the job tells how often."""
    runs = Path(os.environ["VEDETTE_RUN_DIR"]) / job["job_id"]
    is_first = not runs.exists()
    with runs.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if is_first:
        _start(job["job_id"])
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)


@app.task(name=f"{PREFIX}fail")
def fail() -> None:
    raise ValueError("nobody expected this")


@app.task(name=f"{PREFIX}away")
def away() -> None:
    raise Infrastructure("The disk is gone.")


@app.task(name=f"{PREFIX}unpicklable")
def unpicklable() -> None:
    class Odd(Exception):
        def __init__(self) -> None:
            super().__init__("odd", lambda: None)

    raise Odd


def _start(name: str) -> None:
    """A descendant, which must not outlive a child that is killed."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", f"descendant-of-{name}"])
