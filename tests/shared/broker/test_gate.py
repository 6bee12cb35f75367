"""Suspects run alone. The requests are of messages held in a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery.worker import state
from kombu import Connection

from shared.broker import keys
from shared.broker.gate import Gate
from shared.broker.holding import put_back
from shared.broker.message import SUSPECT_DEATHS, Silence
from tests.shared.broker.conftest import put, take, waiting

SUSPECT = {keys.WORKER_DEATHS: SUSPECT_DEATHS}


@pytest.fixture
def begun() -> list[str]:
    return []


@pytest.fixture
def gate(begun: list[str]) -> Gate:
    return Gate(lambda request: begun.append(request.id.removeprefix("job-").removesuffix(".scan")))


@pytest.fixture
def stopping() -> Iterator[None]:
    state.should_stop = 0
    yield
    state.should_stop = None


def test_others_run_beside_each_other(gate: Gate, begun: list[str], request_of: Callable[..., Any]) -> None:
    for tag in ("a", "b"):
        gate.enter(request_of(tag))
    assert begun == ["a", "b"]


def test_a_suspect_waits_for_others_and_others_for_it(
    gate: Gate, begun: list[str], request_of: Callable[..., Any]
) -> None:
    requests = {tag: request_of(tag, **(SUSPECT if tag == "s" else {})) for tag in ("a", "s", "b", "c")}
    for request in requests.values():
        gate.enter(request)
    assert begun == ["a"]
    for ended, then in (("a", ["a", "s"]), ("s", ["a", "s", "b", "c"])):
        gate.open()
        requests[ended].acknowledge()
        gate.open()
        assert begun == then


def test_what_waits_is_forgotten_with_its_connection(
    gate: Gate, begun: list[str], request_of: Callable[..., Any]
) -> None:
    first = request_of("a")
    gate.enter(first)
    gate.enter(request_of("s", **SUSPECT))
    gate.clear()
    first.acknowledge()
    gate.open()
    assert begun == ["a"]


@pytest.mark.usefixtures("stopping")
def test_a_worker_that_stops_begins_nothing(gate: Gate, begun: list[str], request_of: Callable[..., Any]) -> None:
    gate.enter(request_of("a"))
    assert begun == []


def test_only_deaths_of_whole_workers_make_a_suspect(client: redis.Redis) -> None:
    put(client, "t")
    for why, deaths in (("signal 9", 0), (Silence.EXPIRED, 1), (Silence.ABANDONED, 2)):
        claimed = take(client)
        assert claimed is not None
        put_back(client, claimed.tag, counted=True, why=why)
        [message] = waiting(client)
        assert message["headers"].get(keys.WORKER_DEATHS, 0) == deaths


def test_nothing_is_taken_beside_a_suspect(connection: Connection, client: redis.Redis) -> None:
    put(client, "s", **SUSPECT)
    channel: Any = connection.default_channel
    message = channel.basic_get("scan")
    assert not channel.qos.can_consume()
    message.ack()
    assert channel.qos.can_consume()
