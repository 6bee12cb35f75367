"""Children by fork from a warm parent: what all services import is imported once, not once per child.

A child runs the same module that production runs (`python -m celery -A services.scan worker`); only the interpreter was
started before. Six cold starts would cost two cores three times as long.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import random
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from setproctitle import getproctitle, setproctitle

WARM = (
    "shared.worker",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.worker.autoscale",
)
# Not SIGPIPE: Python ignores it, and with the default a peer that hangs up would end the worker.
RESET = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
POLL_S = 0.02

getproctitle()  # finds the command line in memory; it could not any more once the environment has been changed


def warm() -> None:
    """Import what the services share. The environment must be theirs already: settings are read at import."""
    for name in WARM:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the collector would otherwise touch, and so copy, every inherited page


class Forked:
    """A forked child, with the part of `subprocess.Popen` that a supervisor needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), or None while it runs."""
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for the end. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(POLL_S)
        return code

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


def fork(name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> Forked:
    """Run `python -m arguments…` in a forked child: own session, own log, nothing inherited but memory."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _run(name, arguments, environment, log, cwd)
    return Forked(pid)


def _run(name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> NoReturn:
    code = 1
    try:
        _detach(log, cwd)
        setproctitle(f"vedette: {name}")
        os.environ.clear()
        os.environ.update(environment)
        random.seed()
        sys.argv = list(arguments)
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException:  # noqa: BLE001  nothing may return into the supervisor's code
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _detach(log: Path, cwd: Path) -> None:
    """Leave the supervisor's session, signals and files: its lock and its guardian's pipe must close with it."""
    os.setsid()
    for number in RESET:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, path, mode in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
        opened = os.open(path, mode, 0o600)
        os.dup2(opened, descriptor)
    os.dup2(1, 2)
    os.closerange(3, min(65536, os.sysconf("SC_OPEN_MAX")))
    os.chdir(cwd)
