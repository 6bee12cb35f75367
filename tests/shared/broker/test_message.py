"""Counting is exact, and nothing else of a message changes by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.broker import keys
from shared.broker.message import MOST, Held, Unreadable, poison, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.dictionaries(st.sampled_from(["id", "task", "eta", "retries", keys.DELIVERIES, "odd"]), JSON)
OURS = {"redelivered", keys.DELIVERIES, keys.LAST_DEATH, keys.RETURNED_AT}


def entry(headers: object, body: object = "", priority: object = 0, lane: object = "scan") -> bytes:
    properties = {"delivery_tag": "t", "priority": priority, "delivery_info": {"routing_key": "scan"}}
    return json.dumps([{"body": body, "headers": headers, "properties": properties}, "", lane]).encode()


@given(headers=HEADERS, body=JSON, losses=st.lists(st.booleans(), max_size=6))
def test_only_lost_deliveries_count(headers: dict[str, Any], body: object, losses: list[bool]) -> None:
    held = read(entry(headers, body))
    began = held.deliveries
    for is_lost in losses:
        held = read(json.dumps([held.again(lost="x" if is_lost else "").payload, "", held.lane]).encode())
    assert held.deliveries == began + sum(losses)
    assert held.payload["body"] == body
    assert {k: v for k, v in held.payload["headers"].items() if k not in OURS} == {
        k: v for k, v in headers.items() if k not in OURS
    }


@given(headers=HEADERS)
def test_each_return_has_a_tag_of_its_own_and_the_same_list(headers: dict[str, Any]) -> None:
    held = read(entry(headers, priority=6))
    again, other = held.again(), held.again(lost="x")
    tags = {one.payload["properties"]["delivery_tag"] for one in (held, again, other)}
    assert len(tags) == 3
    assert {one.list for one in (held, again, other)} == {keys.waiting("scan", 6)}


@given(raw=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_held_is_read_or_refused(raw: bytes) -> None:
    try:
        held = read(raw)
    except Unreadable:
        return
    assert isinstance(held, Held)


@given(headers=JSON, priority=JSON)
def test_odd_headers_and_priorities_stop_nobody(headers: object, priority: object) -> None:
    held = read(entry(headers, priority=priority))
    assert held.list in keys.lists("scan")
    assert held.deliveries >= 1
    assert isinstance(held.is_scheduled(0.0), bool)
    assert read(json.dumps([held.again(lost="x").payload, "", "scan"]).encode()).deliveries == held.deliveries + 1
    assert poison(held, "x").fields(held.raw)


@pytest.mark.parametrize(
    "refused",
    [b"", b"5", b"[]", b"[1, 2]", b'[{"properties": {}}, "", "scan"]', b"[" * 100_000, entry({}, lane=5)],
    ids=lambda raw: raw[:40].decode(),
)
def test_what_is_no_message_is_refused(refused: bytes) -> None:
    with pytest.raises(Unreadable):
        read(refused)


@pytest.mark.parametrize("eta", ["2026-01-01T00:00:10+00:00", "2026-01-01T00:00:10", "2026-01-01T02:00:10+02:00"])
def test_a_time_to_come_is_understood(eta: str) -> None:
    held, due = read(entry({"eta": eta})), datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC).timestamp()
    assert held.is_scheduled(due - 1)
    assert not held.is_scheduled(due + 1)


@pytest.mark.parametrize(("priority", "step"), [(0, 0), (2, 0), (3, 3), (5, 3), (6, 6), (9, 9), (-4, 0), (99, 9)])
def test_a_priority_has_its_list_as_kombu_names_it(priority: int, step: int) -> None:
    assert keys.waiting("scan", priority) == (f"scan\x06\x16{step}" if step else "scan")


def test_counts_that_no_database_could_hold_are_not_believed() -> None:
    headers = {"task": "scan.run", "id": "j.scan", keys.DELIVERIES: 10**30, "retries": 10**30}
    assert poison(read(entry(headers)), "x").deliveries == MOST
    assert poison(read(entry(headers)), "x").retries == MOST
