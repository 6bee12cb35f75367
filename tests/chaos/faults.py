"""What happens to the servers: Redis restarts, dies, freezes, is full or emptied; the database is away."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared import testing
from tests.chaos import notes, verdict
from tests.chaos.stack import Stack

END_S = 120.0
SCAN_S = 4.0  # how long a scan takes, so that the fault finds some running
JOBS = 4


@dataclass(frozen=True)
class Fault:
    """strike: does it, and undoes it after so many seconds.  is_once: what runs meanwhile must not run again.

    Where it may, it is because the result could not be written down; even then it never runs twice at once.
    """

    name: str
    strike: Callable[[Stack, float], None]
    span_s: float = 0.0
    is_once: bool = True


@dataclass(frozen=True)
class Result:
    """seconds: from the end of the fault to the end of the last job.  scans: calls of the scanner for so many jobs."""

    name: str
    span_s: float
    seconds: float
    jobs: int
    scans: int
    faults: list[str]


def run(stack: Stack, fault: Fault, expected: verdict.Outcome) -> Result:
    """Break something while scans run, others wait and more are submitted; tell how all of them ended."""
    stack.ready()
    stack.slow("scan", SCAN_S)
    ids = stack.submit(JOBS)
    testing.wait_for(lambda: _running(stack, ids), f"a scan runs before: {fault.name}")
    fault.strike(stack, fault.span_s)
    over = time.monotonic()
    stack.slow("scan", 0.0)
    ids += stack.submit(JOBS)
    views = stack.wait(ids, END_S)
    seconds = time.monotonic() - over
    wrong = [] if stack.wait_for_quiet(60.0) else ["messages are left"]
    scans = [verdict.scans(stack, job_id) for job_id in ids]
    if fault.is_once and max(scans) > 1:
        wrong.append(f"a scan ran {max(scans)} times")
    for view in views:
        wrong += verdict.faults(stack, view, expected) + verdict.twice_at_once(stack, view.id)
    return Result(fault.name, fault.span_s, seconds, len(ids), sum(scans), wrong)


def _running(stack: Stack, ids: list[str]) -> bool:
    return any(note["what"] == notes.STARTED and note["task"][:36] in ids for note in stack.notes())


def _restart(stack: Stack, _span_s: float) -> None:
    stack.server.stop()
    stack.server.start()


def _kill(stack: Stack, _span_s: float) -> None:
    stack.server.stop(signal.SIGKILL)
    stack.server.start()


def _away(stack: Stack, span_s: float) -> None:
    stack.server.stop(signal.SIGKILL)
    time.sleep(span_s)
    stack.server.start()


def _disconnect(stack: Stack, _span_s: float) -> None:
    with stack.broker as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")


def _freeze(stack: Stack, span_s: float) -> None:
    process = stack.server.running
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    time.sleep(span_s)
    process.send_signal(signal.SIGCONT)


def _fill(stack: Stack, span_s: float) -> None:
    """Less memory than is in use: every write is refused."""
    with stack.broker as client:
        client.config_set("maxmemory", "500kb")
        time.sleep(span_s)
        client.config_set("maxmemory", "0")


def _empty(stack: Stack, _span_s: float) -> None:
    with stack.broker as client:
        client.flushdb()


def _without_database(stack: Stack, span_s: float) -> None:
    with stack.without_database():
        time.sleep(span_s)


def redis_faults(freeze_s: float, away_s: float, full_s: float) -> list[Fault]:
    return [
        Fault("Redis restarts", _restart),
        Fault("Redis is killed (-9) and starts again", _kill),
        Fault("Redis is killed and away for a while", _away, away_s),
        Fault("all connections are killed", _disconnect),
        Fault("Redis freezes", _freeze, freeze_s),
        Fault("Redis is full", _fill, full_s),
        Fault("Redis is emptied (FLUSHDB)", _empty),
    ]


def database_faults(away_s: float) -> list[Fault]:
    return [Fault("the database is away", _without_database, away_s, is_once=False)]
