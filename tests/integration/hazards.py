"""The scan service with tasks that do to their worker what no stage should. `celery -A tests.integration.hazards`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from services.scan import app
from shared.errors import Infrastructure

PREFIX = "hazard."


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
    bytearray(64 * 1024 * 1024 * 1024)


@app.task(name=f"{PREFIX}overrun")
def overrun() -> None:
    _child()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


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


def _child() -> None:
    """A descendant, which must not outlive the one that started it."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", "hazard-descendant"])
