from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from gateway import pressure
from shared.broker.client import client as redis_client
from shared.broker.memory import Memory, memory

JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}


@pytest.fixture
def fill(store: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Make the broker as full as wanted: by its limit."""

    def to(share: float) -> None:
        redis_client().config_set("maxmemory", int(memory(redis_client()).used / share))
        monkeypatch.setattr(pressure, "GAUGE", pressure.Gauge())

    yield to
    redis_client().config_set("maxmemory", 0)


def test_a_full_broker_takes_no_jobs_in_and_says_when_to_come_back(
    client: TestClient, fill: Callable[[float], None]
) -> None:
    fill(0.9)
    refused = client.post("/api/v1/jobs", json=JOB)
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (503, "broker-full", True)
    assert refused.headers["retry-after"] == "5"
    assert "no jobs are taken in" in client.get("/readyz?verbose").json()["checks"]["memory"]
    fill(0.5)
    assert client.post("/api/v1/jobs", json=JOB).status_code == 202
    assert "memory" not in client.get("/readyz?verbose").json()["checks"]


def test_one_that_fills_up_raises_an_alarm_and_takes_them(client: TestClient, fill: Callable[[float], None]) -> None:
    fill(0.75)
    assert client.post("/api/v1/jobs", json=JOB).status_code == 202
    seen = client.get("/api/v1/queues").json()["memory"]
    assert 0.7 < seen["fullness"] < 0.8
    assert "from 85% on" in seen["alarm"]
    ready = client.get("/readyz?verbose").json()
    assert (ready["status"], ready["checks"]["memory"]) == ("ready", seen["alarm"])


def test_without_a_limit_there_is_no_fullness(client: TestClient) -> None:
    seen = client.get("/api/v1/queues").json()["memory"]
    assert (seen["fullness"], seen["alarm"]) == (None, "")
    assert seen["used_bytes"] > 0


@pytest.mark.parametrize(("used", "told"), [(69, ""), (70, "70%"), (85, "85%"), (120, "120%")])
def test_the_alarm_names_the_share(used: int, told: str) -> None:
    assert pressure.alarm(Memory(used, 100)).startswith(f"The broker is {told}" if told else "")
    assert bool(pressure.alarm(Memory(used, 100))) is bool(told)
