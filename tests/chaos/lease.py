"""What leases promise: a dead worker's task runs again soon, a live one's task runs once, whatever its clock says."""

from __future__ import annotations

from dataclasses import dataclass

from shared import testing
from tests.chaos import notes, verdict
from tests.chaos.cells import Instant, Who
from tests.chaos.stack import Stack

AGAIN_S = 15.0  # a killed worker's task runs again within this


@dataclass(frozen=True)
class Result:
    """seconds: what was measured, where something was."""

    name: str
    seconds: float
    faults: list[str]


def again_after_kill(stack: Stack, expected: verdict.Outcome) -> Result:
    """Kill the worker that scans, with a second one idle; measure until the scan begins again."""
    stack.slow("scan", 60.0)
    [job_id] = stack.submit()
    testing.wait_for(lambda: _runs(stack, job_id, "scan"), "the scan runs")
    killed = stack.kill(_who_runs(stack, job_id))
    stack.slow("scan", 0.0)
    testing.wait_for(lambda: len(_runs(stack, job_id, "scan")) > 1, "the scan runs again", 60.0)
    seconds = _runs(stack, job_id, "scan")[-1][0] - killed
    wrong = [f"after {seconds:.1f} s"] if seconds > AGAIN_S else []
    return Result("a killed worker's task runs again", seconds, wrong + _ends_once(stack, expected, [job_id]))


def long_task(stack: Stack, expected: verdict.Outcome, task_s: float) -> Result:
    """A task that takes longer than its lease runs once, though another worker is idle."""
    stack.slow("scan", task_s)
    [job_id] = stack.submit()
    testing.wait_for(lambda: _runs(stack, job_id, "scan"), "the scan runs")
    stack.slow("scan", 0.0)
    wrong = _ends_once(stack, expected, [job_id], task_s + 60)
    if (scans := verdict.scans(stack, job_id)) != 1:
        wrong.append(f"scanned {scans} times")
    return Result(f"a task of {task_s:g} s on a lease of {stack.lease_s:g} s runs once", task_s, wrong)


def orphan(stack: Stack, expected: verdict.Outcome, task_s: float) -> Result:
    """Kill only the parent: its child, an orphan, must not go on beside the one who has the task next."""
    stack.slow("scan", task_s)
    stack.arm("scan", Instant.TAKEN, Who.PARENT)
    stack.kills_orphans = False
    [job_id] = stack.submit()
    wrong = _ends_once(stack, expected, [job_id], task_s * 3 + 60)
    if not stack.has_fired():
        wrong.append("nobody came to the place where it was to die")
    stack.slow("scan", 0.0)
    stack.kills_orphans = True
    return Result("the parent alone is killed", task_s, wrong)


def second_message(stack: Stack, expected: verdict.Outcome, task_s: float) -> Result:
    """A scan redelivered after its end sends the next stage a second time, while that runs for the first time."""
    stack.slow("process", task_s)
    stack.arm("scan", Instant.PUBLISHED, Who.WORKER)
    [job_id] = stack.submit()
    wrong = _ends_once(stack, expected, [job_id], task_s * 3 + 60)
    if not stack.has_fired():
        wrong.append("nobody came to the place where it was to die")
    stack.slow("process", 0.0)
    return Result("the next stage's message comes twice", task_s, wrong)


def wrong_clock(stack: Stack, expected: verdict.Outcome, task_s: float) -> Result:
    """One worker five minutes ahead, one behind: neither takes what others hold, and theirs is not taken."""
    for name, off_s in (("scan3", "300"), ("scan4", "-300")):
        stack.start(name, environment={"CHAOS_CLOCK_OFF_S": off_s})
    stack.slow("scan", task_s)
    ids = stack.submit(len([name for name in stack.members if name.startswith("scan")]))
    testing.wait_for(lambda: all(_runs(stack, job_id, "scan") for job_id in ids), "every worker scans")
    stack.slow("scan", 0.0)
    wrong = _ends_once(stack, expected, ids, task_s + 60)
    if scans := [count for job_id in ids if (count := verdict.scans(stack, job_id)) != 1]:
        wrong.append(f"scanned {scans} times")
    for name in ("scan3", "scan4"):
        stack.end(name)
    return Result("clocks five minutes off", task_s, wrong)


def _ends_once(stack: Stack, expected: verdict.Outcome, ids: list[str], timeout_s: float = 60.0) -> list[str]:
    wrong = []
    for view in stack.wait(ids, timeout_s):
        stack.wait_for_quiet(60.0)
        wrong += verdict.faults(stack, view, expected) + verdict.twice_at_once(stack, view.id)
    return wrong


def _runs(stack: Stack, job_id: str, stage: str) -> list[tuple[float, float, int]]:
    return sorted(notes.runs(stack.notes())[f"{job_id}.{stage}"])


def _who_runs(stack: Stack, job_id: str) -> str:
    pid = _runs(stack, job_id, "scan")[-1][2]
    return next(name for name in stack.members if pid in stack.children(name))
