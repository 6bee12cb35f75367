"""Operations in the store: nobody's word is overwritten, and no batch counts twice. The same on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update

from shared.contracts.dead_letter import DeadLetterState
from shared.contracts.operation import Operation, OperationKind, OperationState
from shared.ids import new_id, now
from shared.store import cancellation, operations
from shared.store.engine import reading, writing
from shared.store.operations import Batch, OperationNotFound, OperationOver, Task
from shared.store.tables import dead_letters
from tests.shared.store.making import ORG, make


def start(total: int = 3, kind: OperationKind = OperationKind.REPLAY, **params: Any) -> Operation:
    with writing() as connection:
        return operations.create(connection, ORG, kind, params, total=total, by="token")


def task() -> Task:
    with reading() as connection:
        return operations.active(connection)[0]


def letter(operation: Operation, state: DeadLetterState, **fields: Any) -> str:
    letter_id = new_id()
    row = {
        "id": letter_id,
        "org_id": ORG,
        "reason": "stage-failed",
        "failure_class": "permanent",
        "error": {},
        "fingerprint": "f",
        "raw": b"",
        "first_failed_at": now(),
        "last_failed_at": now(),
        "operation_id": operation.id,
        "replays": 1,
        **fields,
        "state": state,
    }
    with writing() as connection:
        connection.execute(insert(dead_letters), row)
    return letter_id


def test_an_operation_begins_pending_and_is_shown_to_its_organisation_alone(database: str) -> None:
    made = start(7, rate=2.5)
    assert (made.state, made.total, made.params, made.created_by) == ("pending", 7, {"rate": 2.5}, "token")
    with reading() as connection:
        assert operations.get(connection, made.id, ORG) == made
        with pytest.raises(OperationNotFound):
            operations.get(connection, made.id, "other")
        assert operations.page(connection, ORG, limit=5) == [made]
        assert operations.page(connection, ORG, limit=5, before=made.id) == []
        assert operations.page(connection, "other", limit=5) == []


def test_a_batch_is_counted_once_however_often_it_is_noted(database: str) -> None:
    start(kind=OperationKind.CANCEL)
    begun = task()
    for counted in (True, False):
        with writing() as connection:
            assert operations.advance(connection, begun, Batch("a", 2, 1, {"not-open": 1})) is counted
    after = task()
    assert after.cursor == "a"
    assert (after.operation.done, after.operation.skipped, after.operation.refused) == (2, 1, {"not-open": 1})
    with writing() as connection:
        assert operations.advance(connection, after, Batch("b", 0, 2, {"not-open": 1, "poison": 1}))
    assert task().operation.refused == {"not-open": 2, "poison": 1}


def test_a_pause_holds_whatever_the_worker_says_and_ends_with_a_resume(database: str) -> None:
    made = start()
    with writing() as connection:
        operations.begin(connection, made.id, OperationState.RUNNING)
        assert operations.pause(connection, made.id).state == "paused"
        operations.begin(connection, made.id, OperationState.RUNNING)
        assert operations.pause(connection, made.id).state == "paused"
        assert operations.active(connection) == []
        assert operations.resume(connection, made.id).state == "pending"
        assert operations.resume(connection, made.id).state == "pending"
    assert task().operation.started_at


def test_what_is_over_stays_so(database: str) -> None:
    made = start()
    with writing() as connection:
        stopped = operations.stop(connection, made.id, "by hand")
    assert (stopped.state, stopped.note) == ("stopped", "by hand")
    assert stopped.finished_at
    for act in (operations.pause, operations.resume, operations.finish):
        with pytest.raises(OperationOver), writing() as connection:
            act(connection, made.id)
    with reading() as connection:
        assert operations.get(connection, made.id).note == "by hand"


def test_ends_are_counted_by_what_became_of_the_steps(database: str) -> None:
    made = start(5)
    [cancelled] = make()
    with writing() as connection:
        cancellation.cancel(connection, [cancelled], ORG, "token")
    letter(made, DeadLetterState.RESOLVED)
    failed = letter(made, DeadLetterState.REPLAYED, job_id=new_id())
    letter(made, DeadLetterState.OPEN, replay_of=failed, operation_id=None, replays=0)
    letter(made, DeadLetterState.REPLAYED, job_id=new_id())
    letter(made, DeadLetterState.REPLAYED, job_id=new_id(), ended_at=now())
    letter(made, DeadLetterState.REPLAYED, job_id=cancelled)
    letter(made, DeadLetterState.OPEN, replays=0)
    with writing() as connection:
        ends = operations.settle(connection, made.id)
        assert (ends.succeeded, ends.failed, ends.unknown) == (1, 2, 1)
        kept = operations.get(connection, made.id)
        assert (kept.succeeded, kept.failed) == (1, 2)


def test_a_replay_is_unsettled_until_all_that_was_sent_has_ended(database: str) -> None:
    made = start(1)
    sent = letter(made, DeadLetterState.REPLAYED, job_id=new_id())
    with writing() as connection:
        operations.advance(connection, task(), Batch("a", 1))
        operations.finish(connection, made.id)
        assert operations.unsettled(connection) == [made.id]
    with writing() as connection:
        connection.execute(update(dead_letters).where(dead_letters.c.id == sent).values(state="resolved"))
        operations.settle(connection, made.id)
        assert operations.unsettled(connection) == []


def test_what_two_processes_did_at_once_is_counted_by_the_letters(database: str) -> None:
    made = start(2)
    begun = task()
    for state in (DeadLetterState.REPLAYING, DeadLetterState.RESOLVED, DeadLetterState.OPEN):
        letter(made, state)
    with writing() as connection:
        assert operations.advance(connection, begun, Batch("a", 1))
        assert not operations.advance(connection, begun, Batch("a", 1))
    assert task().operation.done == 2
