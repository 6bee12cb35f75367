"""What a child of a worker's pool may use of its machine, by setrlimit(2): files, the size of one, and CPU time.

Who goes beyond gets an error of class `resource` in the task, and the child lives. CPU time counts from the beginning
of each task; what the child's own programs use counts for them alone, and ends them.
"""

from __future__ import annotations

import math
import resource
import signal
import threading
from contextlib import suppress
from types import FrameType

from shared.broker.children import MB
from shared.errors import Resource

LEAST_FILES = 64  # fewer, and a child could not even say that it failed

_limit_s: list[int] = []


class CpuTimeExceeded(Resource):
    """The task used more CPU time than a stage may."""


def apply(*, open_files: int, file_mb: int) -> None:
    """Limit this process for good. open_files: at once; file_mb: of each file that is written. 0: no limit.

    A write beyond is an OSError (EFBIG), one file too many another (EMFILE). No core is ever dumped: it would hold
    secrets, and fill the disk.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # else the signal kills the process before there is an error
    if open_files:
        _lower(resource.RLIMIT_NOFILE, max(open_files, LEAST_FILES))
    if file_mb:
        _lower(resource.RLIMIT_FSIZE, file_mb * MB)
    signal.signal(signal.SIGXCPU, _exceeded)


def begin(cpu_s: int) -> None:
    """Let this process use `cpu_s` seconds of CPU time from now on, all threads together. 0: no limit.

    The system counts since the process began, so that what earlier tasks used is added.
    """
    end()
    if cpu_s:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit_s[:] = [cpu_s]
        _soft_cpu(math.ceil(used.ru_utime + used.ru_stime) + cpu_s)


def end() -> None:
    """Have no limit of CPU time any more."""
    _limit_s.clear()
    _soft_cpu(resource.RLIM_INFINITY)


def _exceeded(_signal: int, _frame: FrameType | None) -> None:
    """Raise once: the system repeats the signal every second, and the failure has to be written down in peace."""
    limit = _limit_s[0] if _limit_s else 0
    end()
    if limit:
        raise CpuTimeExceeded(
            f"The stage used more than {limit} s of CPU time.",
            cure="Ask for less at once, or raise VEDETTE_STAGE_CPU_LIMIT_S.",
        )


def _soft_cpu(seconds: int) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # the signal would interrupt another thread than the one that works
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (_capped(seconds, hard), hard))


def _lower(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (_capped(limit, hard), hard))


def _capped(wanted: int, hard: int) -> int:
    if hard == resource.RLIM_INFINITY:
        return wanted
    return hard if wanted == resource.RLIM_INFINITY else min(wanted, hard)
