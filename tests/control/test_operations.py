"""The engine over a real store; what is done to each thing is a plain function here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import update

from control import operations as engine
from control.operations import Engine, decide
from control.works import Work
from shared.contracts.dead_letter import DeadLetterState, Verdict
from shared.contracts.operation import Operation, OperationKind, OperationState
from shared.errors import Infrastructure, InvalidInput
from shared.ids import now
from shared.store import operations
from shared.store.engine import Connection, reading, writing
from shared.store.operations import Ends
from shared.store.tables import dead_letters
from shared.testing import wait_for
from tests.shared.store.making import ORG
from tests.shared.store.test_operations import letter


class Deed:
    """Acts on `count` ids, and remembers it. A replay of one leaves its dead letter sent."""

    def __init__(self, count: int, kind: OperationKind = OperationKind.CANCEL) -> None:
        self.ids = [f"id-{number:06}" for number in range(count)]
        self.acted: list[str] = []
        self.letters: list[str] = []
        self.hooks: list[Callable[[], None]] = []
        self.engine = Engine({kind: Work(self.candidates, self.act)})

    def candidates(self, connection: Connection, operation: Operation, cursor: str, limit: int) -> list[str]:
        return [one for one in self.ids if one > cursor][:limit]

    def act(self, operation: Operation, ids: Sequence[str]) -> list[Verdict]:
        for hook in self.hooks:
            hook()
        self.acted += ids
        if operation.kind is OperationKind.REPLAY:
            self.letters += [letter(operation, DeadLetterState.REPLAYED, job_id=one) for one in ids]
        return [Verdict(id=one, ok=one[-1] != "9", code="not-open" if one[-1] == "9" else "ok") for one in ids]


def start(total: int, kind: OperationKind = OperationKind.CANCEL, **params: Any) -> str:
    with writing() as connection:
        return operations.create(connection, ORG, kind, params, total=total, by="token").id


def look(operation_id: str) -> Operation:
    with reading() as connection:
        return operations.get(connection, operation_id)


def work_off(deed: Deed, turns: int = 50) -> None:
    for _ in range(turns):
        if not deed.engine.turn():
            return


def test_everything_is_acted_on_once_and_counted(database: str) -> None:
    deed, made = Deed(450), start(450)
    work_off(deed)
    assert deed.acted == deed.ids
    found = look(made)
    assert (found.state, found.done, found.skipped, found.refused) == ("done", 405, 45, {"not-open": 45})


def test_a_pause_takes_hold_between_batches_and_a_new_process_goes_on_there(database: str) -> None:
    deed, made = Deed(500), start(500)
    deed.engine.turn()
    with writing() as connection:
        operations.pause(connection, made)
    work_off(deed)
    assert len(deed.acted) == engine.BATCH
    assert look(made).state == "paused"
    with writing() as connection:
        operations.resume(connection, made)
    later = Deed(500)
    work_off(later)
    assert deed.acted + later.acted == deed.ids
    assert look(made).state == "done"


def test_a_pause_and_a_stop_during_a_batch_are_not_overwritten(database: str) -> None:
    deed, made = Deed(500), start(500)

    def stop() -> None:
        with writing() as connection:
            operations.stop(connection, made, "by hand")

    deed.hooks.append(stop)
    work_off(deed)
    found = look(made)
    assert (found.state, found.note, found.done + found.skipped) == ("stopped", "by hand", engine.BATCH)


def test_two_operations_take_turns(database: str) -> None:
    deed = Deed(450)
    first, second = start(450), start(450)
    deed.engine.turn()
    assert look(first).done == look(second).done > 0


def test_a_rate_is_kept(database: str) -> None:
    deed, made = Deed(500), start(500, rate=0.5)
    for _ in range(20):
        deed.engine.turn()
    assert len(deed.acted) == 1
    assert look(made).state == "running"


def test_what_it_cannot_do_just_now_waits_and_says_so(database: str) -> None:
    deed, made = Deed(3), start(3)

    def away() -> None:
        raise Infrastructure("The broker does not answer.")

    deed.hooks.append(away)
    with pytest.raises(Infrastructure):
        deed.engine.turn()
    assert (look(made).state, look(made).note) == ("running", "It waits: The broker does not answer.")
    deed.hooks.clear()
    work_off(deed)
    assert (look(made).state, look(made).note, look(made).done) == ("done", "", 3)


def test_one_that_cannot_go_on_fails_and_the_others_do_not(database: str) -> None:
    deed = Deed(3)

    def refuse() -> None:
        deed.hooks.clear()
        raise InvalidInput("The query is wrong.")

    deed.hooks.append(refuse)
    first, second = start(3), start(3)
    work_off(deed)
    assert (look(first).state, look(first).note) == ("failed", "The query is wrong.")
    assert look(second).state == "done"


def test_it_runs_until_it_is_told_to_stop(database: str) -> None:
    deed, stop = Deed(450), threading.Event()
    thread = threading.Thread(target=deed.engine.run, args=(stop,))
    thread.start()
    try:
        made = start(450)
        wait_for(lambda: look(made).state.is_over, "the operation is done")
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert deed.acted == deed.ids


def end_letter(letter_id: str, state: DeadLetterState) -> None:
    with writing() as connection:
        ended = update(dead_letters).where(dead_letters.c.id == letter_id)
        connection.execute(ended.values(state=state, ended_at=now()))


def test_a_canary_that_fails_again_stops_the_rest(database: str) -> None:
    deed = Deed(100, OperationKind.REPLAY)
    made = start(100, OperationKind.REPLAY, canary=3, stop_at=0.5)
    work_off(deed)
    assert (len(deed.acted), look(made).state, look(made).done) == (3, "canary", 3)
    first, second, third = deed.letters
    end_letter(first, DeadLetterState.REPLAYED)
    end_letter(second, DeadLetterState.REPLAYED)
    end_letter(third, DeadLetterState.RESOLVED)
    fresh = Deed(100, OperationKind.REPLAY)
    work_off(fresh)
    assert fresh.acted == []
    assert look(made).state == "stopped"
    assert look(made).note == "2 of 3 of the canary failed again; the limit is 50%."


def test_a_canary_that_succeeds_lets_the_rest_go(database: str) -> None:
    deed = Deed(8, OperationKind.REPLAY)
    made = start(8, OperationKind.REPLAY, canary=2)
    work_off(deed)
    for one in deed.letters:
        end_letter(one, DeadLetterState.RESOLVED)
    fresh = Deed(8, OperationKind.REPLAY)
    work_off(fresh)
    assert deed.acted + fresh.acted == fresh.ids
    found = look(made)
    assert (found.state, found.done, found.succeeded) == ("done", 8, 2)


def test_a_batch_that_was_sent_and_not_noted_is_counted_by_the_next_process(database: str) -> None:
    made = start(8, OperationKind.REPLAY)
    with writing() as connection:
        operations.begin(connection, made, OperationState.RUNNING)
    for number in range(8):
        letter(look(made), DeadLetterState.REPLAYED, job_id=str(number))
    work_off(Deed(0, OperationKind.REPLAY))
    assert (look(made).state, look(made).done) == ("done", 8)


@pytest.mark.parametrize(
    ("done", "ends", "stop_at", "canary", "expected"),
    [
        (200, Ends(0, 4), 0.2, 0, ""),  # four ends mean nothing yet
        (200, Ends(3, 2), 0.2, 0, "2 of 5 of those that ended failed again; the limit is 20%."),
        (200, Ends(99, 1), 0.2, 0, ""),
        (200, Ends(100, 0), 0.0, 0, ""),  # no failure never stops anything
        (200, Ends(0, 5), 1.0, 0, "5 of 5 of those that ended failed again; the limit is 100%."),
        (2, Ends(0, 2), 1.0, 2, "2 of 2 of the canary failed again; the limit is 100%."),
        (2, Ends(0, 1, 1), 1.0, 2, "1 of 1 of the canary failed again; the limit is 100%."),
        (2, Ends(1, 1), 1.0, 2, ""),
    ],
)
def test_it_stops_when_too_many_fail_again(done: int, ends: Ends, stop_at: float, canary: int, expected: str) -> None:
    made = Operation.model_validate(
        {
            "id": "o",
            "org_id": ORG,
            "kind": "dlq.replay",
            "state": "running",
            "params": {"stop_at": stop_at, "canary": canary},
            "done": done,
            "created_at": "2026-11-25T00:00:00Z",
        }
    )
    assert decide(made, ends).stop == expected
