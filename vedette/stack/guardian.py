"""Ends the children of a supervisor that was killed: `python guardian.py`, a process of its own, standard library only.

It reads process groups from its standard input (`+PGID`, `-PGID`, a line each). At the end of that input its supervisor
is gone, and whatever is left is told to end, and killed after GRACE_S.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_S = 5.0


def main() -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line.startswith("+"):
            groups.add(number)
        else:
            groups.discard(number)
    end(groups)


def end(groups: set[int], grace_s: float = GRACE_S) -> None:
    """Ask process groups to end; kill those that are left after `grace_s` seconds."""
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
