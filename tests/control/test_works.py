"""Operations as they are worked off in earnest: on jobs that failed, with a store and a broker."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from control.operations import Engine
from control.works import WORKS
from shared.broker import presence, removal
from shared.broker.client import client
from shared.broker.presence import WorkerRecord
from shared.contracts.dead_letter import DeadLetterState, Selection
from shared.contracts.operation import Operation, OperationKind
from shared.ids import now
from shared.store import dead_letters, operations, settling
from shared.store.engine import reading, writing
from tests import broker
from tests.shared.store import dying
from tests.shared.store.making import ORG, run_through

ALL = Selection(all=True)


@pytest.fixture
def failed(database: str, bus_url: str) -> Iterator[list[tuple[str, str]]]:
    """Jobs that failed in their scan with their dead letters, and a worker that would take them."""
    record = WorkerRecord(hostname="scan@h", service="scan", pid=1, queues=["scan"], concurrency=1, started_at=now())
    presence.write(client(), record)
    made = [dying.failed_job(f"10.0.0.{number}") for number in range(12)]
    with broker.pointed():
        yield made


def start(kind: OperationKind = OperationKind.REPLAY, **params: object) -> str:
    with writing() as connection:
        until = dead_letters.last_id(connection, ORG, ALL)
        total = dead_letters.count(connection, ORG, ALL)
        asked = {"selection": ALL.model_dump(mode="json"), "how": {}, "until": until, **params}
        return operations.create(connection, ORG, kind, asked, total=total, by="token").id


def look(operation_id: str) -> Operation:
    with reading() as connection:
        return operations.get(connection, operation_id)


def sent() -> Counter[str]:
    messages = removal.peek(client(), "scan", 1000)
    return Counter(json.loads(message.raw)["headers"]["id"].partition(".")[0] for message in messages)


def work_off() -> None:
    engine = Engine(WORKS)
    while engine.turn():
        pass


def test_a_replay_sends_every_job_once(failed: list[tuple[str, str]]) -> None:
    made = start()
    work_off()
    found = look(made)
    assert (found.state, found.total, found.done, found.skipped) == ("done", 12, 12, 0)
    assert sent() == Counter(job_id for job_id, _ in failed)


def test_two_replays_of_the_same_by_two_processes_send_nothing_twice(failed: list[tuple[str, str]]) -> None:
    made = [start(), start()]
    threads = [threading.Thread(target=work_off) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sent() == Counter(job_id for job_id, _ in failed)
    assert sum(look(one).done for one in made) == 12
    assert {look(one).state for one in made} == {"done"}


def test_what_fails_again_is_not_replayed_in_a_circle(failed: list[tuple[str, str]]) -> None:
    made = start(rate=2.0)
    engine = Engine(WORKS)
    engine.turn()
    [(job_id, letter_id)] = [each for each in failed if each[0] in sent()]
    dying.fail_step(job_id, run=2)
    dying.take_in(dying.arrival(dying.entry(job_id, replay_of=letter_id), run=2))
    with writing() as connection:
        operations.stop(connection, made, "")
        assert operations.settle(connection, made).failed == 1
    again = dying.letter_of(job_id)
    assert again != letter_id
    with reading() as connection:
        assert again > look(made).params["until"]
        assert dead_letters.get(connection, again).state is DeadLetterState.OPEN


def test_a_canary_waits_for_its_ends(failed: list[tuple[str, str]]) -> None:
    made = start(canary=2)
    work_off()
    assert (look(made).state, sum(sent().values())) == ("canary", 2)
    for job_id in sent():
        run_through(job_id, run=2)
    work_off()
    assert look(made).state == "canary"  # nobody has looked yet how they ended
    settling.settle()
    work_off()
    assert (look(made).state, look(made).done, sum(sent().values())) == ("done", 12, 12)


def test_without_a_worker_it_says_so_and_waits_for_one_while_others_go_on(failed: list[tuple[str, str]]) -> None:
    [record] = presence.live(client())
    presence.remove(client(), record.hostname)
    made = start()
    other = start(OperationKind.CANCEL, ids=[failed[0][0]], q=None, batch_id=None, until=failed[0][0])
    work_off()
    found = look(made)
    assert (found.state, found.done, found.skipped, found.refused) == ("running", 0, 0, {})
    assert found.note == "It waits: No worker takes from scan; start one, or use force."
    assert look(other).state == "done"
    assert not sent()

    presence.write(client(), record)
    work_off()
    found = look(made)
    assert (found.state, found.done, found.note) == ("done", 12, "")


def test_a_discard_leaves_nothing_open(failed: list[tuple[str, str]]) -> None:
    made = start(OperationKind.DISCARD, reason="gone")
    work_off()
    assert (look(made).state, look(made).done) == ("done", 12)
    with reading() as connection:
        assert dead_letters.stats(connection, ORG).by_state == {"discarded": 12}
        assert dead_letters.get(connection, failed[0][1]).note == "gone"
