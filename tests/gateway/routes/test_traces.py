from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from tests.gateway.driving import both_databases, finish


@both_databases
def test_a_trace_has_a_row_for_the_job_and_each_stage_after_its_parent(client: TestClient) -> None:
    body = {"target": {"kind": "host", "host": "127.0.0.1"}, "reports": ["json"]}
    made: Any = client.post("/api/v1/jobs", json=body).json()["jobs"][0]
    finish(made["id"])
    found = client.get(f"/api/v1/jobs/{made['id']}/trace").json()
    names = [span["name"] for span in found["spans"]]
    runs = [name for name in names if name.startswith("run ")]
    assert runs == ["run scan", "run process", "run report", "run notify"]
    known: set[Any] = {None}
    for span in found["spans"]:
        assert span["parent_id"] in known
        known.add(span["id"])
    assert client.get(f"/api/v1/traces/{made['trace_id']}").json()["spans"][0]["id"] == found["spans"][0]["id"]


def test_an_unknown_trace_is_not_found(client: TestClient) -> None:
    assert client.get(f"/api/v1/traces/{'a' * 32}").status_code == 404
