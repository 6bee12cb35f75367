from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.contracts.job import StageName
from shared.contracts.record import RecordBatch, SpanKind, SpanRecord
from shared.dlq import StageFailed
from shared.errors import Permanent
from shared.ids import new_id
from shared.layers.ledger import Step
from shared.store import jobs, records
from shared.store.engine import reading, writing
from tests.gateway.driving import both_databases, finish, run_stage

BODY = {"target": {"kind": "host", "host": "127.0.0.1"}, "reports": ["json"]}


def submitted(client: TestClient) -> Any:
    return client.post("/api/v1/jobs", json=BODY).json()["jobs"][0]


def record(job: Any, number: int, began_ns: int = 10**18) -> None:
    """Keep a span of the job itself, and `number` equal ones below a run of its scan."""
    with reading("local") as connection:
        top = jobs.traceparent(connection, job["id"]).split("-")[2]
    said = {"vedette.job.id": job["id"], "vedette.org.id": "local", "vedette.stage": "scan"}
    made = {"trace_id": job["trace_id"], "ended_ns": began_ns + 10**9}
    spans = [SpanRecord(span_id="1" * 16, parent_id=top, name="look", began_ns=began_ns, attributes=said, **made)]
    spans += [
        SpanRecord(
            span_id=f"{n:016x}", parent_id="1" * 16, name="probe", began_ns=began_ns + n, attributes=said, **made
        )
        for n in range(number)
    ]
    batch = {"org_id": "local", "job_id": job["id"], "service": "scan", "process": "h:1", "dropped": 2}
    with writing("local") as connection:
        records.keep(connection, [RecordBatch(id=new_id(), spans=spans, **batch)])


@both_databases
def test_a_trace_has_a_row_for_the_job_and_each_stage_after_its_parent(client: TestClient) -> None:
    made = submitted(client)
    finish(made["id"])
    found = client.get(f"/api/v1/jobs/{made['id']}/trace").json()
    names = [span["name"] for span in found["spans"]]
    runs = [name for name in names if name.startswith("run ")]
    assert runs == ["run scan", "run process", "run report", "run notify"]
    known: set[Any] = {None}
    for span in found["spans"]:
        assert span["parent_id"] in known
        known.add(span["id"])
    assert (found["is_live"], found["is_recorded"], found["jobs"][0]["state"]) == (False, False, "succeeded")
    of_trace = client.get(f"/api/v1/traces/{made['trace_id']}").json()
    assert of_trace["spans"] == found["spans"]


@both_databases
def test_what_was_recorded_is_in_it_in_each_format(client: TestClient) -> None:
    made = submitted(client)
    finish(made["id"])
    record(made, 30)
    asked = f"/api/v1/jobs/{made['id']}/trace"
    tree, flat, otlp = (client.get(f"{asked}?format={form}").json() for form in ("tree", "spans", "otlp"))
    assert [span["group"]["count"] for span in tree["spans"] if span["group"]] == [30]
    assert tree["totals"] == flat["totals"]
    assert len(flat["spans"]) == flat["totals"]["spans"]
    assert (flat["totals"]["dropped"], flat["is_recorded"], flat["is_cut"]) == (2, True, False)
    assert sum(span["name"] == "probe" for span in flat["spans"]) == 30
    services = [resource["resource"]["attributes"][1]["value"] for resource in otlp["resourceSpans"]]
    assert services[0] == {"stringValue": "vedette-scan"}
    assert client.get(f"{asked}?format=svg").status_code == 422


def test_a_job_that_waits_is_live(client: TestClient) -> None:
    made = submitted(client)
    found = client.get(f"/api/v1/jobs/{made['id']}/trace").json()
    assert (found["is_live"], found["ended_at"]) == (True, None)
    assert [(span["name"], span["state"]) for span in found["spans"]] == [("job", "live"), ("wait scan", "live")]


def test_a_rerun_names_the_trace_of_its_origin_and_that_its_repeat(client: TestClient) -> None:
    first = submitted(client)
    finish(first["id"])
    again = client.post(f"/api/v1/jobs/{first['id']}:rerun").json()
    found = client.get(f"/api/v1/jobs/{again['id']}/trace").json()
    assert found["trace_id"] != first["trace_id"]
    assert found["related"] == [{"relation": "origin", "trace_id": first["trace_id"], "job_id": first["id"]}]
    back = client.get(f"/api/v1/jobs/{first['id']}/trace").json()["related"]
    assert back == [{"relation": "repeat", "trace_id": found["trace_id"], "job_id": again["id"]}]


def test_the_jobs_of_a_batch_name_the_trace_of_their_request(client: TestClient) -> None:
    targets = [{"kind": "host", "host": f"127.0.0.{n}"} for n in (1, 2)]
    batch = client.post("/api/v1/batches", json={"targets": targets}).json()["id"]
    of_batch = client.get(f"/api/v1/batches/{batch}").json()["trace_id"]
    ids = [job["id"] for job in client.get(f"/api/v1/jobs?batch_id={batch}").json()["items"]]
    found = [client.get(f"/api/v1/jobs/{job_id}/trace").json() for job_id in ids]
    assert len({of_batch, *(trace["trace_id"] for trace in found)}) == 3
    assert [trace["related"][0] for trace in found] == [{"relation": "batch", "trace_id": of_batch, "job_id": ""}] * 2

    span = SpanRecord(trace_id=of_batch, span_id="1" * 16, name="POST", kind=SpanKind.SERVER, began_ns=1, ended_ns=9)
    kept = {"org_id": "local", "service": "gateway", "process": "h:1", "spans": [span]}
    with writing("local") as connection:
        records.keep(connection, [RecordBatch(id=new_id(), **kept)])
    request = client.get(f"/api/v1/traces/{of_batch}").json()
    assert [(row["name"], row["segment"]) for row in request["spans"]] == [("POST", "request")]
    assert [(each["relation"], each["job_id"]) for each in request["related"]] == [
        ("job", each) for each in sorted(ids)
    ]


@both_databases
def test_each_run_of_a_job_has_its_trace(client: TestClient) -> None:
    made = submitted(client)
    with pytest.raises(StageFailed):
        run_stage(made["id"], StageName.SCAN, _fail)
    run_stage(made["id"], StageName.NOTIFY)
    record(made, 3)
    again = client.post(f"/api/v1/jobs/{made['id']}:retry").json()
    finish(made["id"])
    asked = f"/api/v1/jobs/{made['id']}/trace"
    last, first = client.get(asked).json(), client.get(f"{asked}?run=1").json()
    assert (last["trace_id"], first["trace_id"]) == (again["trace_id"], made["trace_id"])
    assert [each["relation"] for each in (*last["related"], *first["related"])] == ["earlier_run", "later_run"]
    assert (first["jobs"][0]["state"], last["jobs"][0]["state"]) == ("failed", "succeeded")
    assert [span["state"] for span in first["spans"] if span["name"] == "run scan"] == ["error"]
    assert client.get(f"/api/v1/traces/{made['trace_id']}").json()["spans"] == first["spans"]
    assert client.get(f"{asked}?run=3").status_code == 404


def test_an_unknown_trace_is_not_found(client: TestClient) -> None:
    assert client.get(f"/api/v1/traces/{'a' * 32}").status_code == 404
    assert client.get("/api/v1/jobs/00000000-0000-7000-8000-000000000000/trace").status_code == 404


def _fail(_: Step) -> None:
    raise Permanent("No.")
