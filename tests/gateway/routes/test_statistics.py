from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from shared.contracts.job import JobState
from tests.gateway.driving import both_databases, finish

JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}
STATS = "/api/v1/stats"


def submit(client: TestClient) -> str:
    return str(client.post("/api/v1/jobs", json=JOB).json()["jobs"][0]["id"])


@both_databases
def test_the_overview_and_the_series_say_what_ended_and_how_long_it_ran(client: TestClient) -> None:
    finish(submit(client))
    submit(client)
    seen = client.get(f"{STATS}/overview").json()
    assert (seen["states"], seen["finished"], seen["failed"]) == ({"queued": 1, "succeeded": 1}, 1, 0)
    told = {name: seen[name] for name in ("success_rate", "average_s", "p50_s", "p95_s")}
    assert told["success_rate"] == 1.0
    assert 0 < told["p50_s"] == told["p95_s"] == told["average_s"] < 60
    for every in ("minute", "hour", "day"):
        (bucket,) = client.get(f"{STATS}/timeseries?every={every}").json()["items"]
        assert bucket.pop("at").endswith("Z")
        assert bucket == {"states": {"succeeded": 1}, **told}


@both_databases
def test_stages_and_kinds_say_what_ended_and_how_long_it_took(client: TestClient) -> None:
    finish(submit(client))
    found = client.get(f"{STATS}/stages").json()
    assert [(each["stage"], each["runs"], each["failed"]) for each in found["items"]] == [
        ("scan", 1, 0),
        ("process", 1, 0),
        ("report", 1, 0),
        ("notify", 1, 0),
    ]
    assert all(0 <= each[what]["p95_s"] < 60 for each in found["items"] for what in ("ran", "waited"))
    (kind,) = client.get(f"{STATS}/kinds").json()["items"]
    assert (kind["kind"], kind["profile"], kind["states"]) == ("host", "standard", {"succeeded": 1})


@pytest.mark.parametrize("figures", ["overview", "timeseries", "stages", "kinds"])
@pytest.mark.parametrize("hours", ["0", "2161", "-1", "x"])
def test_hours_are_between_one_and_ninety_days(client: TestClient, figures: str, hours: str) -> None:
    assert client.get(f"{STATS}/{figures}?hours={hours}").status_code == 422


def test_a_job_cancelled_in_its_queue_is_no_failure(client: TestClient) -> None:
    assert client.post(f"/api/v1/jobs/{submit(client)}:cancel").is_success
    seen = client.get(f"{STATS}/overview").json()
    assert (seen["states"], seen["finished"]) == ({JobState.CANCELLED.value: 1}, 1)
    assert [seen[name] for name in ("success_rate", "average_s", "p50_s", "p95_s")] == [None] * 4


@pytest.mark.parametrize(("every", "most"), [("minute", 36), ("hour", 2160), ("day", 2160)])
def test_a_series_has_a_bounded_number_of_intervals(client: TestClient, every: str, most: int) -> None:
    assert client.get(f"{STATS}/timeseries?every={every}&hours={most}").json()["items"] == []
    assert client.get(f"{STATS}/timeseries?every={every}&hours={most + 1}").status_code == 422


def test_a_series_of_too_many_intervals_says_what_can_be_had(client: TestClient) -> None:
    answer = client.get(f"{STATS}/timeseries?every=minute&hours=48").json()
    assert (answer["code"], answer["retryable"]) == ("series-too-long", False)
    assert "36 hours" in answer["cure"]
