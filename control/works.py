"""What operations do, by their kind: which things come next, and what is done to a batch of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared import intervention, replay
from shared.contracts.dead_letter import Replay, Selection, Verdict
from shared.contracts.operation import BulkCancel, Operation, OperationKind
from shared.store import cancels, dead_letters, triage
from shared.store.engine import Connection, writing


@dataclass(frozen=True)
class Work:
    """How one kind is worked off.

    candidates: the ids after a cursor, in their order.  act: do it to them; verdicts in the order of the ids.
    """

    candidates: Callable[[Connection, Operation, str, int], Sequence[str]]
    act: Callable[[Operation, Sequence[str]], Sequence[Verdict]]


def _letters(connection: Connection, operation: Operation, after: str, limit: int) -> list[str]:
    selection = Selection.model_validate(operation.params["selection"])
    found = dead_letters.ids(connection, operation.org_id, selection, after=after, limit=limit)
    return [letter_id for letter_id in found if letter_id <= operation.params["until"]]


def _replay(operation: Operation, ids: Sequence[str]) -> Sequence[Verdict]:
    how = Replay.model_validate(operation.params["how"])
    return replay.replay(operation.org_id, ids, how, operation.created_by, operation_id=operation.id)


def _discard(operation: Operation, ids: Sequence[str]) -> Sequence[Verdict]:
    reason = operation.params.get("reason", "")
    with writing() as connection:
        moved = set(triage.discard(connection, operation.org_id, ids, reason=reason, operation_id=operation.id))
    return [Verdict(id=one, ok=one in moved, code="ok" if one in moved else "wrong-state") for one in ids]


def _jobs(connection: Connection, operation: Operation, after: str, limit: int) -> list[str]:
    which = BulkCancel.model_validate({name: operation.params[name] for name in ("ids", "q", "batch_id")})
    found = cancels.ids(connection, operation.org_id, which, after=after, limit=limit)
    return [job_id for job_id in found if job_id <= operation.params["until"]]


def _cancel(operation: Operation, ids: Sequence[str]) -> Sequence[Verdict]:
    done = intervention.cancel(operation.org_id, ids, operation.created_by)
    return [
        Verdict(id=one.job_id, job_id=one.job_id, ok=one.is_new, code="ok" if one.is_new else "job-over")
        for one in done
    ]


WORKS: Mapping[OperationKind, Work] = {
    OperationKind.REPLAY: Work(_letters, _replay),
    OperationKind.DISCARD: Work(_letters, _discard),
    OperationKind.CANCEL: Work(_jobs, _cancel),
}
