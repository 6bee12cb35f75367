"""What a dead worker held is in its queue again, and nothing else is touched."""

from __future__ import annotations

import pytest
from kombu import Connection, Exchange, Queue

from shared.broker.reclaim import reclaim
from shared.settings import settings


@pytest.fixture
def broker_url(bus_url: str) -> str:
    del bus_url  # an empty server, and settings that name it
    return settings().broker_url


def test_held_messages_of_the_named_queues_come_back_once(broker_url: str) -> None:
    queues = {name: Queue(name, Exchange(name), routing_key=name) for name in ("scan", "report")}
    with Connection(broker_url) as dead, Connection(broker_url) as living:
        for name, queue in queues.items():
            bound = queue(dead.default_channel)
            bound.declare()
            dead.Producer().publish({"of": name}, exchange=name, routing_key=name, delivery_mode=2)
            assert bound.get() is not None  # held, never acknowledged
        dead.default_channel.qos._delivered.clear()  # it dies without a word
        assert reclaim(living, ["scan"]) == 1
        assert reclaim(living, ["scan"]) == 0
        again = queues["scan"](living.default_channel).get()
        assert again is not None
        assert again.payload == {"of": "scan"}
        assert queues["report"](living.default_channel).get() is None
