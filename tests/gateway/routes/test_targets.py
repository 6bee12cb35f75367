from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from tests.gateway.driving import both_databases, finish


def submit(client: TestClient, host: str) -> str:
    made: Any = client.post("/api/v1/jobs", json={"target": {"kind": "host", "host": host}}).json()
    return str(made["jobs"][0]["id"])


@both_databases
def test_each_target_is_told_once_by_its_newest_job(client: TestClient) -> None:
    first = submit(client, "10.0.0.1")
    finish(first)
    other, newest = submit(client, "10.0.0.2"), submit(client, "10.0.0.1")
    found = client.get("/api/v1/targets").json()["items"]
    assert [(each["target"], each["job_id"]) for each in found] == [("10.0.0.1", newest), ("10.0.0.2", other)]
    assert client.get("/api/v1/targets", params={"q": "state:succeeded"}).json()["items"] == []


def test_targets_come_page_by_page(client: TestClient) -> None:
    for n in range(3):
        submit(client, f"10.0.0.{n + 1}")
    one = client.get("/api/v1/targets?limit=2").json()
    two = client.get(f"/api/v1/targets?limit=2&cursor={one['next']}").json()
    assert [each["target"] for each in one["items"] + two["items"]] == ["10.0.0.3", "10.0.0.2", "10.0.0.1"]
    assert two["next"] is None
