"""Works operations off, a batch at a time, all in turn: slow ones do not hold up the others.

The place where an operation goes on is in its row, so it survives whatever happens to this process. A batch that was
done and not noted is done again, which changes nothing: every act is a compare-and-set.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from control.pace import Pace
from control.works import WORKS, Work
from shared.contracts.operation import Operation, OperationKind, OperationState
from shared.errors import Conflict, Infrastructure, VedetteError
from shared.replay import NoConsumer
from shared.store import operations
from shared.store.engine import reading, writing
from shared.store.operations import Batch, Ends, Task

log = structlog.get_logger()

BATCH = 200  # things acted on between two looks whether somebody paused or stopped it
IDLE_S = 0.5  # between two looks when there is nothing to do
COUNT_S = 0.5  # between two counts of the ends while something is still to be sent
SETTLE_S = 2.0  # and afterwards
JUDGED_FROM = 5  # ends before a failure share means something
WAITS = "It waits:"
AWAY_S = 2.0  # between two tries while broker or database is away


class Engine:
    """Works off all operations whose kind is in `works`."""

    def __init__(self, works: Mapping[OperationKind, Work]) -> None:
        self._works = works
        self._paces: dict[str, Pace] = {}
        self._counted: dict[str, tuple[float, Ends]] = {}
        self._settle_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            wait_s = AWAY_S
            try:
                wait_s = 0.0 if self.turn() else IDLE_S
            except Infrastructure as exc:
                log.warning("operations.delayed", error=exc.code, message=exc.message)
            except Exception:
                log.exception("operations.failed")  # the next turn may fare better; a loop that ended would not
            stop.wait(wait_s)

    def turn(self) -> bool:
        """Do a batch of every operation; return whether there was something to do."""
        with reading() as connection:
            tasks = operations.active(connection)
        alive = {task.operation.id for task in tasks}
        self._paces = {key: pace for key, pace in self._paces.items() if key in alive}
        self._counted = {key: counted for key, counted in self._counted.items() if key in alive}
        worked = [self._attempt(task) for task in tasks]
        if time.monotonic() >= self._settle_at:
            self._settle()
        return any(worked)

    def _attempt(self, task: Task) -> bool:
        try:
            return self._work(task)
        except Infrastructure as exc:
            with writing() as connection:
                operations.begin(connection, task.operation.id, OperationState.RUNNING, f"{WAITS} {exc.message}")
            if isinstance(exc, NoConsumer):  # others may have one
                return False
            raise
        except operations.OperationOver:
            return False  # somebody was faster
        except VedetteError as exc:
            return self._fail(task, exc.message)
        except Exception as exc:  # one broken operation must not keep the others from going on
            log.exception("operations.operation.failed", operation_id=task.operation.id)
            return self._fail(task, f"{type(exc).__name__}: this is a bug; the log of control has it.")

    def _work(self, task: Task) -> bool:
        operation, work = task.operation, self._works[task.operation.kind]
        if operation.id not in self._paces:
            self._paces[operation.id] = Pace(float(operation.params.get("rate") or 0.0))
            if operation.started_at:
                return self._resume(operation)
        plan = decide(operation, self._ends(operation))
        if plan.stop:
            with writing() as connection:
                operations.stop(connection, operation.id, plan.stop)
            log.warning("operations.stopped", operation_id=operation.id, note=plan.stop)
            return True
        pace = self._paces[operation.id]
        count = pace.allowed(min(BATCH, plan.most))
        waited = operation.note.startswith(WAITS)
        if not waited:
            self._note(operation, plan)
        worked = bool(count) and self._batch(task, work, count, pace)
        if waited:
            self._note(operation, plan)  # only now is it over
        return worked

    def _note(self, operation: Operation, plan: Plan) -> None:
        if (operation.state, operation.note) != (plan.state, plan.note):
            with writing() as connection:
                operations.begin(connection, operation.id, plan.state, plan.note)

    def _resume(self, operation: Operation) -> bool:
        """Count anew what a process before this one did: it may have ended before it noted its last batch."""
        with writing() as connection:
            operations.settle(connection, operation.id)
        return True

    def _batch(self, task: Task, work: Work, count: int, pace: Pace) -> bool:
        operation = task.operation
        with reading() as connection:
            ids = work.candidates(connection, operation, task.cursor, count)
        if not ids:
            return self._finish(task)
        verdicts = work.act(operation, ids)
        refused = Counter(verdict.code for verdict in verdicts if not verdict.ok)
        done = sum(verdict.ok for verdict in verdicts)
        with writing() as connection:
            operations.advance(connection, task, Batch(ids[-1], done, len(ids) - done, refused))
        pace.spend(len(ids))
        return True

    def _ends(self, operation: Operation) -> Ends:
        if operation.kind is not OperationKind.REPLAY or not operation.done:
            return Ends()
        counted_at, ends = self._counted.get(operation.id, (0.0, Ends()))
        if time.monotonic() >= counted_at + COUNT_S:
            with writing() as connection:
                ends = operations.settle(connection, operation.id)
            self._counted[operation.id] = (time.monotonic(), ends)
        return ends

    def _finish(self, task: Task) -> bool:
        operation = task.operation
        with writing() as connection:
            operations.settle(connection, operation.id)
            operations.finish(connection, operation.id)
        log.info("operations.done", operation_id=operation.id, done=operation.done, skipped=operation.skipped)
        return True

    def _fail(self, task: Task, note: str) -> bool:
        try:
            with writing() as connection:
                operations.fail(connection, task.operation.id, note)
        except Conflict:
            return False
        return True

    def _settle(self) -> None:
        with reading() as connection:
            ids = operations.unsettled(connection)
        for operation_id in ids:
            with writing() as connection:
                operations.settle(connection, operation_id)
        self._settle_at = time.monotonic() + SETTLE_S


@dataclass(frozen=True)
class Plan:
    """What comes next: `most` things, or an end (`stop` says why)."""

    state: OperationState = OperationState.RUNNING
    most: int = BATCH
    note: str = ""
    stop: str = ""


def decide(operation: Operation, ends: Ends) -> Plan:
    """Return what comes next for an operation whose acts so far ended like `ends`."""
    known = ends.succeeded + ends.failed
    share = ends.failed / known if known else 0.0
    limit = float(operation.params.get("stop_at", 1.0))
    canary = _canary(operation)
    is_canary_over = bool(canary) and operation.done == canary and ends.all >= canary
    if ends.failed and share >= limit and (known >= JUDGED_FROM or is_canary_over):
        what = "of the canary" if operation.done <= canary else "of those that ended"
        return Plan(stop=f"{ends.failed} of {known} {what} failed again; the limit is {limit:.0%}.")
    if operation.done < canary:
        return Plan(OperationState.CANARY, canary - operation.done, f"The canary: {canary} are sent first.")
    if canary and operation.done == canary and not is_canary_over:
        return Plan(OperationState.CANARY, 0, f"The canary: {ends.all} of {canary} have ended.")
    return Plan()


def _canary(operation: Operation) -> int:
    return int(operation.params.get("canary") or 0)


def run(stop: threading.Event) -> None:
    """Work operations off until `stop` is set. For the control leader's thread."""
    Engine(WORKS).run(stop)
