"""Operations in the store: who wanted what done to how many things, how far it is, and where it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, ScalarSelect, and_, case, exists, func, insert, select, update

from shared.contracts.dead_letter import DeadLetterState
from shared.contracts.job import JobState
from shared.contracts.operation import Operation, OperationKind, OperationState
from shared.errors import Conflict, NotFound
from shared.ids import new_id, now
from shared.store import pieces
from shared.store.tables import dead_letters, jobs, operations

ACTIVE = (OperationState.PENDING, OperationState.RUNNING, OperationState.CANARY)
STOPPABLE = (*ACTIVE, OperationState.PAUSED)
UNTOUCHED = (DeadLetterState.OPEN, DeadLetterState.QUARANTINED, DeadLetterState.SNOOZED)
SETTLED_AFTER = timedelta(hours=24)  # a replay that has not ended by then is not waited for


class OperationNotFound(NotFound):
    """No operation of this organisation has this id."""


class OperationOver(Conflict):
    """The operation has ended: nothing of it can be paused, resumed or stopped."""


@dataclass(frozen=True)
class Task:
    """An operation to be worked on, and the place where it goes on."""

    operation: Operation
    cursor: str


@dataclass(frozen=True)
class Batch:
    """What one batch did. `cursor` is the place after it."""

    cursor: str
    done: int = 0
    skipped: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ends:
    """How replays ended: the step succeeded, it failed again, or nobody will ever know (the job was cancelled)."""

    succeeded: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def all(self) -> int:
        return self.succeeded + self.failed + self.unknown


def create(
    connection: Connection, org_id: str, kind: OperationKind, params: Mapping[str, Any], *, total: int, by: str
) -> Operation:
    """Write an operation; the control leader begins with it at its next look."""
    operation_id = new_id()
    row = {
        "id": operation_id,
        "org_id": org_id,
        "kind": kind,
        "state": OperationState.PENDING,
        "params": dict(params),
        "total": total,
        "created_by": by,
        "created_at": now(),
    }
    connection.execute(insert(operations), row)
    return get(connection, operation_id)


def get(connection: Connection, operation_id: str, org_id: str | None = None) -> Operation:
    """Return one operation. With `org_id`, only if it is of that organisation. Raises OperationNotFound."""
    query = select(operations).where(operations.c.id == operation_id)
    if org_id is not None:
        query = query.where(operations.c.org_id == org_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise OperationNotFound(f"There is no operation {operation_id}.", cure="List them: vedette operations list")
    return _operation(row)


def page(connection: Connection, org_id: str, *, limit: int, before: str = "") -> list[Operation]:
    """Return up to `limit` operations, newest first, older than the id `before`."""
    query = select(operations).where(operations.c.org_id == org_id).order_by(operations.c.id.desc()).limit(limit)
    if before:
        query = query.where(operations.c.id < before)
    return [_operation(row) for row in connection.execute(query).mappings()]


def ids_like(connection: Connection, org_id: str, piece: str) -> list[str]:
    """Return the ids that begin or end with `piece`, newest first."""
    return pieces.ids_like(connection, operations, org_id, piece)


def active(connection: Connection) -> list[Task]:
    """Return the operations that wait for a batch to be done, oldest first."""
    query = select(operations).where(operations.c.state.in_(ACTIVE)).order_by(operations.c.id)
    return [Task(_operation(row), row["cursor"]) for row in connection.execute(query).mappings()]


def pause(connection: Connection, operation_id: str, note: str = "") -> Operation:
    """Have no further batch be done. Raises OperationOver."""
    return _change(connection, operation_id, ACTIVE, OperationState.PAUSED, note)


def resume(connection: Connection, operation_id: str) -> Operation:
    """Have a paused operation go on where it was. Raises OperationOver."""
    return _change(connection, operation_id, (OperationState.PAUSED,), OperationState.PENDING, "")


def stop(connection: Connection, operation_id: str, note: str) -> Operation:
    """End an operation after the batch that is being done. Raises OperationOver."""
    return _end(connection, operation_id, OperationState.STOPPED, note)


def finish(connection: Connection, operation_id: str, *, note: str = "") -> Operation:
    """Note that everything was acted on. Raises OperationOver."""
    return _end(connection, operation_id, OperationState.DONE, note)


def fail(connection: Connection, operation_id: str, note: str) -> Operation:
    """Note that the operation cannot go on. Raises OperationOver."""
    return _end(connection, operation_id, OperationState.FAILED, note)


def begin(connection: Connection, operation_id: str, state: OperationState, note: str = "") -> None:
    """Note that an operation is being worked on (`running`, `canary`), unless somebody paused or stopped it."""
    values = {"state": state, "note": note, "started_at": func.coalesce(operations.c.started_at, now())}
    connection.execute(
        update(operations).where(operations.c.id == operation_id, operations.c.state.in_(ACTIVE)).values(**values)
    )


def advance(connection: Connection, task: Task, batch: Batch) -> bool:
    """Note what a batch did, whatever the state; return whether it was still at the place where the batch began.

    Dead letters know by whom they were acted on: their number is counted, so that a crash before this loses none.
    """
    refused = dict(task.operation.refused)
    for code, count in batch.refused.items():
        refused[code] = refused.get(code, 0) + count
    is_counted = task.operation.kind is not OperationKind.CANCEL
    values = {
        "cursor": batch.cursor,
        "done": _acted_on(task.operation.id) if is_counted else operations.c.done + batch.done,
        "skipped": operations.c.skipped + batch.skipped,
        "refused": refused,
    }
    at_place = and_(operations.c.id == task.operation.id, operations.c.cursor == task.cursor)
    return bool(connection.execute(update(operations).where(at_place).values(**values)).rowcount)


def settle(connection: Connection, operation_id: str) -> Ends:
    """Count what an operation did to dead letters, and how its replays ended so far; keep both."""
    ends = _ends(connection, operation_id)
    counts = {"succeeded": ends.succeeded, "failed": ends.failed, "done": _acted_on(operation_id)}
    about_letters = and_(operations.c.id == operation_id, operations.c.kind != OperationKind.CANCEL)
    connection.execute(update(operations).where(about_letters).values(**counts))
    return ends


def unsettled(connection: Connection, limit: int = 50) -> Sequence[str]:
    """Return replays whose messages are all sent and have not all ended, newest first."""
    query = select(operations.c.id).where(
        operations.c.kind == OperationKind.REPLAY,
        operations.c.state.in_((OperationState.DONE, OperationState.STOPPED, OperationState.PAUSED)),
        operations.c.succeeded + operations.c.failed < operations.c.done,
        func.coalesce(operations.c.finished_at, now()) > now() - SETTLED_AFTER,
    )
    return connection.execute(query.order_by(operations.c.id.desc()).limit(limit)).scalars().all()


def _acted_on(operation_id: str) -> ScalarSelect[int]:
    mine = and_(dead_letters.c.operation_id == operation_id, dead_letters.c.state.notin_(UNTOUCHED))
    return select(func.count()).select_from(dead_letters).where(mine).scalar_subquery()


def _ends(connection: Connection, operation_id: str) -> Ends:
    again = dead_letters.alias()
    is_resolved = dead_letters.c.state == DeadLetterState.RESOLVED
    is_cancelled = exists().where(jobs.c.id == dead_letters.c.job_id, jobs.c.state == JobState.CANCELLED)
    # Both say that it failed: the new letter comes within a second, `ended_at` also where none comes.
    is_over = exists().where(again.c.replay_of == dead_letters.c.id) | dead_letters.c.ended_at.is_not(None)
    end = case((is_resolved, "succeeded"), (is_cancelled, "unknown"), (is_over, "failed"))
    mine = and_(dead_letters.c.operation_id == operation_id, dead_letters.c.replays > 0)
    rows = connection.execute(select(end.label("end"), func.count().label("count")).where(mine).group_by(end))
    found: dict[str | None, int] = {row["end"]: row["count"] for row in rows.mappings()}
    return Ends(found.get("succeeded", 0), found.get("failed", 0), found.get("unknown", 0))


def _end(connection: Connection, operation_id: str, state: OperationState, note: str) -> Operation:
    return _change(connection, operation_id, STOPPABLE, state, note)


def _change(
    connection: Connection, operation_id: str, of: Sequence[OperationState], to: OperationState, note: str
) -> Operation:
    values: dict[str, Any] = {"state": to, "note": note}
    if to.is_over:
        values["finished_at"] = now()
    where = and_(operations.c.id == operation_id, operations.c.state.in_(of))
    changed = connection.execute(update(operations).where(where).values(**values)).rowcount
    found = get(connection, operation_id)
    if found.state.is_over and not changed:
        raise OperationOver(
            f"Operation {operation_id} is {found.state}.", cure=f"Look at it: vedette operations get {operation_id}"
        )
    return found


def _operation(row: RowMapping) -> Operation:
    return Operation.model_validate({name: row[name] for name in Operation.model_fields})
