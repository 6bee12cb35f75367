"""SIGKILL at every named instant of every stage, for the child and for the worker."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.contracts.job import StageName
from tests.chaos import verdict
from tests.chaos.cells import Cell, Instant
from tests.chaos.stack import Stack

END_S = 60.0


@dataclass(frozen=True)
class Result:
    """seconds: from submission to end.  deliveries: how often a child began with the task of the stage."""

    cell: Cell
    seconds: float
    deliveries: int
    faults: list[str]


def run(stack: Stack, cells: Iterable[Cell]) -> Iterator[Result]:
    """Kill once in each cell's job and yield how it ended. The workers must run."""
    expected = verdict.reference(stack)
    for cell in cells:
        yield strike(stack, cell, expected)


def strike(stack: Stack, cell: Cell, expected: verdict.Outcome) -> Result:
    """Kill once in a job of its own, and tell how that ended."""
    stack.ready()
    stack.arm(cell.stage, cell.instant, cell.who)
    started = time.monotonic()
    [job_id] = stack.submit()
    stack.wait([job_id], END_S)
    seconds = time.monotonic() - started
    wrong = [] if stack.has_fired() else ["nobody came to the place where it was to die"]
    if not stack.wait_for_quiet(END_S):  # a second delivery may come after the end, and must change nothing
        wrong.append("messages are left")
    [view] = stack.views([job_id])
    gap_may_be = (cell.stage, cell.instant) == (StageName.NOTIFY, Instant.DONE)
    wrong += verdict.faults(stack, view, expected, gap_may_be=gap_may_be) + verdict.twice_at_once(stack, job_id)
    return Result(cell, seconds, verdict.deliveries(stack, job_id, cell.stage), wrong)
