"""Jobs that kill whoever works on them, stopped before they do more harm; and one cancelled as its worker dies."""

from __future__ import annotations

import time
from dataclasses import dataclass

from shared import testing
from shared.broker.message import MAX_DELIVERIES
from shared.contracts.dead_letter import BulkReplay, DeadLetterState, Reason, Selection
from shared.contracts.job import JobState, StageName
from shared.contracts.operation import Operation
from shared.contracts.triage import DeadLetterFilter
from tests.chaos import notes, verdict
from tests.chaos.cells import Who
from tests.chaos.letters import OVER
from tests.chaos.stack import Stack

OTHERS = 10
END_S = 180.0
CANCELLED_S = 30.0


@dataclass(frozen=True)
class Result:
    """seconds: until the job was stopped."""

    name: str
    seconds: float
    faults: list[str]


def poison(stack: Stack, who: Who, expected: verdict.Outcome) -> Result:
    """A job that kills its child, or its worker, each time: quarantined after some deliveries, and only that job."""
    started = time.monotonic()
    [deadly] = stack.write()
    stack.make_deadly(StageName.SCAN, deadly, who)
    stack.publish([deadly])
    others = stack.submit(OTHERS)
    wrong = [fault for view in stack.wait(others, END_S) for fault in verdict.faults(stack, view, expected)]
    [view] = stack.wait([deadly], END_S)
    seconds = time.monotonic() - started
    if view.state is not JobState.DEAD:
        wrong.append(f"it is {view.state}")
    if (runs := len(notes.runs(stack.notes())[f"{deadly}.scan"])) != MAX_DELIVERIES:
        wrong.append(f"it ran {runs} times")
    stack.wait_for_quiet(60.0)
    if (told := [told["state"] for told in stack.receiver.of(deadly)]) != ["dead"]:
        wrong.append(f"told {told}")
    return Result(f"a job that kills each {who}", seconds, wrong + _not_quarantined(stack, deadly))


def cancelled(stack: Stack) -> Result:
    """A running job is cancelled, and its worker killed at that instant: it ends as cancelled, and runs no more."""
    stack.slow(StageName.SCAN, 60.0)
    [job_id] = stack.submit()
    testing.wait_for(lambda: notes.runs(stack.notes())[f"{job_id}.scan"], "the scan runs")
    stack.slow(StageName.SCAN, 0.0)
    started = time.monotonic()
    with stack.client as client:
        client.cancel(job_id)
    stack.kill(StageName.SCAN)
    [view] = stack.wait([job_id], 90.0)
    seconds = time.monotonic() - started
    wrong = [] if stack.wait_for_quiet(60.0) else ["messages are left"]
    if view.state is not JobState.CANCELLED:
        wrong.append(f"it is {view.state}")
    if seconds > CANCELLED_S:
        wrong.append("too late")
    if (runs := len(notes.runs(stack.notes())[f"{job_id}.scan"])) != 1:
        wrong.append(f"it ran {runs} times")
    if told := stack.receiver.of(job_id):
        wrong.append(f"{len(told)} notifications")
    return Result("cancelled as its worker dies", seconds, wrong)


def _not_quarantined(stack: Stack, job_id: str) -> list[str]:
    """Poison is in quarantine, and a replay of everything leaves it there."""
    with stack.client as client:
        made = client.dlq.replay_many(BulkReplay(selection=Selection(all=True)))
        assert isinstance(made, Operation)
        testing.wait_for(lambda: client.operations.get(made.id).state in OVER, "the replay of all is over")
        found = client.dlq.page(DeadLetterFilter(q=f"job:{job_id}")).items
    said = [(letter.reason, letter.state, letter.is_poison) for letter in found]
    return [] if said == [(Reason.POISON, DeadLetterState.QUARANTINED, True)] else [f"dead letters {said}"]
