"""The children of a worker's pool as the system sees them: their memory, their descendants, their limits.

Linux only; elsewhere nothing is known of memory and descendants, and limits of memory are not enforced.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
MB = 1024 * 1024
KNOWN = 1000  # children remembered, also dead ones: their messages may end a while after them

_PR_SET_PDEATHSIG = 1

_peaks: dict[int, int] = {}


def sample(pids: Iterable[int]) -> None:
    """Note how much memory these processes have had at most. For the day on which one of them is killed."""
    for pid in pids:
        if peak := peak_bytes(pid):
            _peaks.pop(pid, None)
            _peaks[pid] = peak
    for pid in list(_peaks)[:-KNOWN]:
        del _peaks[pid]


def sampled(pid: int | None) -> int | None:
    """Return the greatest resident memory of a process when it was last looked at, in bytes, where that is known."""
    return _peaks.get(pid) if pid else None


def peak_bytes(pid: int) -> int | None:
    """Return the greatest resident memory that a running process has had (`VmHWM`, proc(5)), or None."""
    with suppress(OSError, ValueError, IndexError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def forget_peak() -> None:
    """Have the greatest memory of this process count from now on: it is to be that of one task, not of all before."""
    with suppress(OSError):
        (PROC / "self" / "clear_refs").write_text("5")


def kill(pid: int) -> None:
    """Kill a process and all its descendants. One that is gone already is no error."""
    with suppress(OSError):
        os.kill(pid, signal.SIGSTOP)  # so that it forks no more while its descendants are counted
    for each in [pid, *descendants(pid)]:
        with suppress(OSError):
            os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    parents: dict[int, list[int]] = {}
    with suppress(OSError):
        for entry in PROC.iterdir():
            if entry.name.isdecimal() and (parent := _parent(entry)) is not None:
                parents.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        started = parents.get(waiting.pop(), [])
        found += started
        waiting += started
    return found


def die_with_parent() -> None:
    """Have this process killed when its parent dies (prctl(2)): an orphan would go on with what another worker gets."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def limit_memory(limit_mb: int) -> None:
    """Have allocations of this process fail beyond the limit (`RLIMIT_DATA`), so that Python raises MemoryError.

    Without it, the system would kill the process, or another one. 0: no limit.
    """
    if limit_mb:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = limit_mb * MB
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))


def _parent(entry: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        stat = (entry / "stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])  # the name before it may hold anything
    return None
