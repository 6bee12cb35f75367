from __future__ import annotations

import json

import pytest

from shared.broker import keys, removal
from shared.broker.client import client
from shared.broker.removal import Waiting
from shared.contracts.dead_letter import DeadLetterEntry, Reason
from shared.errors import FailureClass

ENTRY = DeadLetterEntry(reason=Reason.UNDELIVERABLE, failure_class=FailureClass.PERMANENT, queue="scan")


@pytest.fixture
def filled(bus_url: str) -> list[bytes]:
    """A lane whose messages stand in two lists; in the order in which they are served."""
    messages = [json.dumps({"headers": {"id": f"j{number}.scan"}}).encode() for number in range(6)]
    for message in messages[:2]:
        client().lpush(keys.waiting("scan", 3), message)
    for message in messages[2:]:
        client().lpush(keys.waiting("scan", 6), message)
    return messages


def test_messages_are_seen_in_the_order_in_which_they_are_served(filled: list[bytes]) -> None:
    assert [one.raw for one in removal.peek(client(), "scan", 10)] == filled
    for skip in range(7):
        for limit in range(1, 8):
            seen = removal.peek(client(), "scan", limit, skip)
            assert [one.raw for one in seen] == filled[skip : skip + limit], (skip, limit)
    assert [len(part) for part in removal.every(client(), "scan", 4)] == [4, 2]


def test_one_that_is_removed_is_gone_and_buried_when_it_shall_be(filled: list[bytes]) -> None:
    first, second, *_ = removal.peek(client(), "scan", 10)
    assert removal.remove(client(), first)
    assert client().xlen(keys.DEAD_LETTERS) == 0
    assert removal.remove(client(), second, ENTRY)
    [(stream_id, fields)] = client().xrange(keys.DEAD_LETTERS)
    entry, raw = DeadLetterEntry.read(stream_id.decode(), fields)
    assert (entry.reason, raw) == (Reason.UNDELIVERABLE, filled[1])
    assert [one.raw for one in removal.peek(client(), "scan", 10)] == filled[2:]


def test_one_that_somebody_took_is_neither_removed_nor_buried(filled: list[bytes]) -> None:
    [first] = removal.peek(client(), "scan", 1)
    assert client().rpop(first.list) == first.raw
    assert not removal.remove(client(), first, ENTRY)
    assert client().xlen(keys.DEAD_LETTERS) == 0


@pytest.mark.parametrize("raw", [b"", b"5", b"[1]", b"null", b"\xff", b'{"headers": 1}', b'{"headers": {"id": 5}}'])
def test_what_is_no_message_has_no_task(raw: bytes) -> None:
    assert Waiting("scan", raw).task_id == ""
