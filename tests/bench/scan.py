"""Time of a connect scan of all 65535 loopback ports: ours against `nmap -sT -Pn -n -p-`, in turns.

`process` is the wall time of a fresh process: for us that is Python importing the whole scan service, which a worker
does once; `scan` is the time inside it. Run it where nobody else listens:
`unshare -rn sh -c 'ip link set lo up; python -m tests.bench.scan'`.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

RUNS = 5
LISTENERS = 5
EPHEMERAL = range(32768, 61000)  # Linux's default; listeners there may come and go between two runs
OURS = """
import json, time
from services.scan.net.connect import Sweep
from shared.egress import destination
from shared.policy import Reach
started = time.perf_counter()
sweep = Sweep(destination("127.0.0.1", Reach(private=True)), deadline=time.monotonic() + 120)
for _ in sweep.run(range(1, 65536)): pass
sweep.close()
print(json.dumps([time.perf_counter() - started, sorted(sweep.tally.opened)]))
"""


def main() -> None:
    """Print the medians of `RUNS` alternating runs, their ratio, and whether both found the same open ports."""
    nmap = shutil.which("nmap")
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    same = True
    with ExitStack() as stack:
        for _ in range(LISTENERS):
            stack.enter_context(_listener())
        for _ in range(RUNS):
            wall, inside, opened = run_ours()
            ours.append((wall, inside))
            if nmap:
                wall, inside, known = run_nmap(nmap)
                theirs.append((wall, inside))
                same = same and opened == known
    _print("vedette", ours)
    if not theirs:
        sys.stdout.write("nmap     is not installed; nothing to compare with\n")
        return
    _print("nmap", theirs)
    for at, what in enumerate(("process", "scan")):
        ratios = [mine[at] / its[at] for mine, its in zip(ours, theirs, strict=True)]
        sys.stdout.write(f"ratio    {what:8} {statistics.median(ratios):6.2f}   (below 1: vedette is faster)\n")
    sys.stdout.write(f"open     {'the same ports' if same else 'DIFFERENT PORTS'}\n")


def run_ours() -> tuple[float, float, set[int]]:
    """Return the time of the whole process, that of the scan inside it (seconds), and the open ports."""
    root = Path(__file__).parents[2]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", OURS], capture_output=True, check=True, text=True, cwd=root)
    wall = time.perf_counter() - started
    inside, opened = json.loads(done.stdout)
    return wall, inside, set(opened) - set(EPHEMERAL)


def run_nmap(nmap: str) -> tuple[float, float, set[int]]:
    """The same for nmap; its own figure of the scan time has a resolution of 10 ms."""
    started = time.perf_counter()
    argv = [nmap, "-sT", "-Pn", "-n", "-p-", "127.0.0.1"]
    done = subprocess.run(argv, capture_output=True, check=True, text=True)
    wall = time.perf_counter() - started
    inside = re.search(r"scanned in ([\d.]+) seconds", done.stdout)
    opened = {int(port) for port in re.findall(r"^(\d+)/tcp +open", done.stdout, re.MULTILINE)}
    return wall, float(inside[1]) if inside else wall, opened - set(EPHEMERAL)


def _listener() -> socket.socket:
    for port in range(1025, 32768, 1009):
        sock = socket.socket()
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.close()
        else:
            sock.listen(16)
            return sock
    raise RuntimeError("no free port for a listener")


def _print(who: str, times: list[tuple[float, float]]) -> None:
    wall, inside = (statistics.median(column) for column in zip(*times, strict=True))
    sys.stdout.write(f"{who:8} process {wall:6.3f} s   scan {inside:6.3f} s   (median of {len(times)})\n")


if __name__ == "__main__":
    main()
